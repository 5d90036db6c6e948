// Who decided what, and why: the chain, and one decision with all that it rests on.
import { html } from "../react.js";
import { query } from "../api.js";
import { facts, rateColumns } from "../evidence.js";
import { useData } from "../live.js";
import { link } from "../router.js";
import { Badge, ExchangeLink, Facts, Loaded, Notice, Panel, Quoted, Table, Time, Told, number } from "../ui.js";
import { count, duration, evalue, moves, percent, visible, words } from "../format.js";

const API = "/api/v1/decisions";
const LEVELS = { roll_back: "bad", freeze: "bad", stop: "bad", dead_producer: "bad", suspend: "notice", undo: "notice", advance: "ok", promote: "ok", finish: "ok" };
const AROUND = 2;

export default function Decisions({ place, model, live }) {
  const mark = live?.marks.decisions;
  const check = useData(`${API}/verification`, mark);
  const shared = { model, mark, chain: check.data };
  if (check.error?.status === 409) return html`<${Notice}>${check.error.message}<//>`;
  return html`<${Loaded} of=${check} what="the chain's check">${(chain) => html`<${Verified} of=${chain} />`}<//>
    ${place.id ? html`<${One} key=${place.id} id=${place.id} ...${shared} />` : html`<${All} before=${place.query.before} ...${shared} />`}`;
}

/** Whether every decision still has the hash that the next one was made upon. */
function Verified({ of }) {
  const looked = html`<span class="quiet">Head <${Hash} of=${of.head} />, looked at <${Time} at=${of.time} /></span>`;
  if (of.broken_at === null) return html`<${Notice} level="ok"><strong>✓ The chain holds: ${of.said}.</strong> ${looked}<//>`;
  return html`<${Notice} level="bad"><p><strong>■ The chain is broken: ${of.said}.</strong></p>
    <p>Trust nothing from number ${of.broken_at} on before somebody has found out how that came. Keep the data folder as it is, and compare it
      with a bundle or a copy from before. ${looked}</p><//>`;
}

const Hash = ({ of }) => html`<code title=${of}>${of.slice(0, 12)}</code>`;

function All({ before, mark, ...shared }) {
  const found = useData(`${API}${query({ order: "newest", limit: 50, before })}`, mark);
  return html`<${Panel} title="All decisions, newest first" aside="each carries the hash of the one before it">
    <${Loaded} of=${found} what="the decisions">${(page) => html`
    <${List} caption="Decisions, newest first" rows=${page.decisions} ...${shared} />
    <div class="row">${before && html`<a href=${link("decisions", { model: shared.model })}>Newest</a>`}
      ${page.next !== null && html`<a href=${link("decisions", { model: shared.model, before: page.next })}>Older</a>`}</div>`}<//><//>`;
}

function List({ caption, rows, model, chain, current }) {
  const columns = [
    { name: "No.", cell: (row) => html`<${Numbered} of=${row.number} chain=${chain} />` },
    { name: "When", cell: (row) => html`<${Time} at=${row.time} />` },
    { name: "What", cell: (row) => html`<a href=${link(`decisions/${row.id}`, { model })} aria-current=${row.id === current ? "true" : undefined}>
      ${words(row.kind)}</a>${row.drill > 0 && " (drill)"}` },
    { name: "Share of users", cell: (row) => moves(row).map((said) => html`<div class="entry">${said}</div>`) },
    { name: "Why", text: true, cell: (row) => visible(row.reason) },
    { name: "By", cell: (row) => visible(row.actor) },
    { name: "Model", cell: (row) => row.model },
  ];
  return html`<${Table} caption=${caption} columns=${columns} rows=${rows} empty="No decision has been made yet." />`;
}

/** A decision's number with what the check said of it. */
function Numbered({ of, chain }) {
  const broken = chain && chain.broken_at !== null && of >= chain.broken_at;
  if (!chain || (!broken && of > chain.checked)) return of;
  const said = broken ? "at or behind the break of the chain" : "its hash is right";
  return html`<span class="entry" title=${said}>
    <span class="sign ${broken ? "bad" : "ok"}" role="img" aria-label=${said}>${broken ? "■" : "✓"}</span> ${of}</span>`;
}

function One({ id, mark, ...shared }) {
  const found = useData(`${API}/${encodeURIComponent(id)}`, mark);
  return html`<p><a href=${link("decisions", { model: shared.model })}>← All decisions</a></p>
    <${Loaded} of=${found} what="the decision">${(detail) => html`
      <${Said} detail=${detail} chain=${shared.chain} />
      ${detail.evidence && html`<${Evidence} of=${detail.evidence} />`}
      <${Around} made=${detail.decision} mark=${mark} ...${shared} />
      <${Proof} made=${detail.decision} />`}<//>`;
}

const MEANS = {
  wait: "nothing changes",
  freeze: "no advance; evidence goes on and may still roll back",
  suspend: "until somebody resumes or rolls back",
  resume: "the rollout goes on",
  roll_back: "the rollout has ended",
  stop: "the rollout has ended; this is no verdict on the canary",
  undo: "the promotion is taken back",
  finish: "the rollout has ended",
  approve: "the next stage may begin when the rest allows it",
  redeal: "everyone is dealt anew at the same share",
  repin: "the evidence starts anew",
};

/** What the command line says of it: who, what, why, since when, on what. */
function Said({ detail, chain }) {
  const { decision: made, story, exchanges, watermark } = detail;
  return html`<section class="panel" aria-label="The decision">
    <header><h2><${Badge} level=${LEVELS[made.kind]}>${words(made.kind)}<//> ${made.drill > 0 && html`<${Badge} level="notice">drill<//>`} ${made.model}</h2>
      <div class="aside"><${Time} at=${made.time} /> · number <${Numbered} of=${made.number} chain=${chain} /> in the chain</div></header>
    <${Told} of=${[
      ["Who", who(made, story.plan)],
      ["What", what(made, story.stages)],
      ["Why", visible(made.reason) || "no reason was given"],
      ["The last straw", exchanges.length > 0 && exchanges.map((id) => html`<${ExchangeLink} id=${id} model=${made.model} /> `)],
      ["Labels", detail.labels],
      ["After", story.preceding && html`<a href=${link(`decisions/${story.preceding.id}`, { model: made.model })}>${words(story.preceding.kind)}</a>, <${Time} at=${story.preceding.time} />`],
      ["Since", since(made, story)],
      ["Rests on", restsOn(detail.rests_on, made.model)],
      ["Known until", watermark && html`<${Time} at=${watermark} />: every answer from before had been read`],
      ["Now", made.rollout && now(made, story)],
    ]} /></section>`;
}

function who(made, plan) {
  if (made.actor === "tipstaff") return `tipstaff, by the rules of the plan${plan ? ` (${plan})` : ""}; no person`;
  if (made.actor === "operator") return "operator, the shared login: a person, whose name is not known";
  return made.actor === "config" ? "the configuration" : `${visible(made.actor)}, a person's word`;
}

function what(made, stages) {
  const stays = () => `weights stay: ${Object.entries(made.after).map(([arm, weight]) => `${arm} ${percent(weight)}`).join(", ")}`;
  const staged = ["start", "advance", "wait", "promote"].includes(made.kind) && stages[made.stage] !== undefined;
  const stage = staged && `stage ${made.stage + 1} of ${stages.length} (${stages.map(percent).join(", ")})`;
  return [moves(made).join(", ") || stays(), MEANS[made.kind], stage].filter(Boolean).join("; ");
}

function since(made, story) {
  const another = html`<a href=${link(`decisions/${story.replaced_by}`, { model: made.model })}>another decision</a>`;
  const age = duration(Math.max(0, (Date.now() - Date.parse(made.time)) / 1000));
  return html`${story.replaced_at ? html`in force until <${Time} at=${story.replaced_at} />, then ${another}` : html`<strong>in force now</strong>, made ${age} ago`}
    ${story.began && made.kind !== "start" && html`; the rollout began <${Time} at=${story.began} />`}
    ${story.held_since && html`; the weights before it had held since <${Time} at=${story.held_since} />`}`;
}

function now(made, { status, can, undo_until: undoUntil }) {
  const page = html`<a href=${link("rollout", { model: made.model })}>the rollout's page</a>`;
  if (!status) return html`a later rollout took over: ${page}`;
  const said = status === "holdout" ? "at its last stage, before everyone" : words(status);
  const until = undoUntil && html`; a promotion can be undone until <${Time} at=${undoUntil} />`;
  return html`the rollout is ${said}${can.length > 0 && `; an operator can say: ${can.map(words).join(", ")}`}${until}. ${page}`;
}

function restsOn({ plan, constitution, classifiers, ...arms }, model) {
  return html`${Object.entries(arms).map((arm) => `${arm.join(" ")}, `)}
    ${constitution && html`constitution <a href=${link("constitution", { model, version: constitution })}><${Hash} of=${constitution} /></a>`}
    ${classifiers && html`, classifiers <code>${classifiers}</code>`}
    ${plan && html`<details><summary>The whole plan</summary><${Quoted} text=${JSON.stringify(JSON.parse(plan), null, 1)} /></details>`}`;
}

/** An e-value; bold with a sign where it reached what it needs. */
const reached = (value, needs, sign) => (value !== null && value >= needs ? html`<strong>${sign} ${evalue(value)}</strong>` : evalue(value));

function Evidence({ of }) {
  const [needs, alarm] = [evalue(of.needs), evalue(of.alarm_needs)];
  const columns = [
    { name: "Guardrail", cell: (row) => `${words(row.guardrail)}${row.promotes ? " *" : ""}` },
    ...rateColumns("Stable", "Canary"),
    number(`E worse, of ${needs}`, (row) => reached(row.worse, of.needs, "■")),
    number(`E alarm, of ${alarm}`, (row) => reached(row.alarm, of.alarm_needs, "■")),
    number("E no worse", (row) => html`${reached(row.no_worse, row.no_worse_needs, "✓")} of ${evalue(row.no_worse_needs)}`),
  ];
  return html`<${Panel} title="Evidence at that moment" aside="rates with 95 % confidence sequences">
    <p>E reaches ${needs} by chance in at most 1 of ${needs} rollouts. Over all guardrails it is ${reached(of.mean, of.needs, "■")} and rolls
      back at ${needs}; the fast alarm is ${reached(of.alarm, of.alarm_needs, "■")} and acts at ${alarm}.
      ${of.rows.some((row) => row.promotes) && ` * promoted only once E for "no worse" reaches what it needs.`}</p>
    <${Table} caption="Evidence by guardrail" columns=${columns} rows=${of.rows} />
    <${Facts} of=${facts(of)} /><//>`;
}

/** The decisions just before and after it in the chain. */
function Around({ made, mark, ...shared }) {
  const found = useData(`${API}${query({ after: Math.max(0, made.number - 1 - AROUND), limit: 2 * AROUND + 1 })}`, mark);
  const near = (rows) => rows.filter((row) => row.number <= made.number + AROUND).reverse().map((row) => ({ ...row, mark: row.id === made.id ? "here" : "" }));
  return html`<${Panel} title="Before and after it"><${Loaded} of=${found} what="what stands around it">${(page) => html`
    <${List} caption="Decisions around this one" rows=${near(page.decisions)} current=${made.id} ...${shared} />`}<//><//>`;
}

const Proof = ({ made }) => html`<${Panel} title="For the auditor" aside=${made.rollout && html`
    <a href="/api/v1/rollouts/${encodeURIComponent(made.rollout)}/bundle" download>Bundle of the whole rollout</a>`}>
  <${Told} of=${[
    ["Decision", html`<code>${made.id}</code>, version ${count(made.table_version)} of the routing table`],
    ["Hash", html`<code>${made.hash}</code>`],
    ["Hash of the one before", html`<code>${made.previous || "none: it is the first"}</code>`],
  ]} />
  <details><summary>Canonical JSON: the bytes whose SHA-256 is the hash</summary><${Quoted} text=${made.canonical} most=${20000} /></details><//>`;
