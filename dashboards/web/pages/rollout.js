// The rollout of one model: who has which arm, what it waits for, what the evidence says, and the operator's words.
import { html, useState } from "../react.js";
import { ofModel } from "../api.js";
import { useData } from "../live.js";
import { link } from "../router.js";
import { ActionButton, Badge, Empty, Facts, Loaded, Notice, Panel, Table, Time, barred, post } from "../ui.js";
import { count, duration, percent, share, visible, words } from "../format.js";
import { Buckets } from "../buckets.js";
import { EvidenceCharts, facts, rateColumns } from "../evidence.js";
import { StartButton } from "../start.js";

const LEVELS = { running: "ok", holdout: "ok", promoted: "ok", finished: "ok", suspended: "notice", undone: "notice", frozen: "bad", rolled_back: "notice", stopped: "notice" };
const ENDED = ["finished", "undone", "rolled_back", "stopped"];

export default function Rollout({ model, live, session }) {
  const of = live?.models.find((each) => each.model === model);
  const rollout = of?.rollout;
  const path = rollout ? ofModel(model, "rollout") : null;
  const found = useData(path, `${live?.marks.rollout} ${live?.marks.labels}`);
  const decided = useData(rollout ? ofModel(model, `rollout/${rollout.id}/decisions`) : null, live?.marks.decisions);
  const history = useData(model ? ofModel(model, "rollout/history") : null, live?.marks.decisions);
  if (!live) return html`<p class="quiet" role="status">Loading …</p>`;
  if (!of) return html`<${Empty} title="No such model">${visible(model) || "None"} is not among the configured models.<//>`;
  if (history.error?.status === 409) return html`<${Elsewhere} of=${of} said=${history.error.message} />`;
  const start = html`<${StartButton} of=${of} session=${session} />`;
  return html`
    ${!rollout && html`<${Split} of=${of} />
      <${Empty} title="No rollout has run yet">A rollout gives a new arm its first users, watches what it says, and goes on or back by
        evidence. ${start}<//>`}
    ${rollout && html`<${Loaded} of=${found} what="the rollout">${(shown) => html`
      <${Now} of=${of} shown=${shown} decided=${decided} session=${session} start=${start} />
      <${EvidenceCharts} model=${model} shown=${shown} mark=${live.marks.rollout} />
      <${Rates} shown=${shown} />
      <div class="grid">
        <${Counted} shown=${shown} model=${model} />
        <${Labels} shown=${shown} model=${model} />
      </div>
      <${Decisions} model=${model} of=${decided} canary=${shown.to.arm} />`}<//>`}
    <${History} of=${history} />`;
}

/** Who has which arm, where no rollout says so. */
const Split = ({ of }) => html`<${Panel} title="Who has which arm"><${Buckets} arms=${of.arms} />
  <p>Set <${Time} at=${of.decided_at} /> (${words(of.decided_by)}): ${visible(of.reason)}</p><//>`;

const Elsewhere = ({ of, said }) => html`<${Split} of=${of} /><${Notice}>Rollouts are decided elsewhere: ${said}<//>`;

/** The first thing to see: the split, the stage, and what may be said now. */
function Now({ of, shown, decided, session, start }) {
  const ended = ENDED.includes(shown.status);
  const moves = shown.status === "running" || shown.status === "holdout";
  const last = decided.data?.decisions.findLast((each) => each.kind !== "wait");
  return html`<section class="panel" aria-label="Now">
    <header><h2><${Badge} level=${LEVELS[shown.status]}>${words(shown.status)}<//>
      ${" "}${shown.from.arm} ${shown.from.version} → ${shown.to.arm} ${shown.to.version}
      ${shown.drill > 0 && html` <${Badge} level="notice">drill<//>`}</h2>
      <div class="aside">started <${Time} at=${shown.started} /> · ${ended ? "ended" : "read up to"} <${Time} at=${shown.as_of} /></div></header>
    ${shown.drill > 0 && html`<${Notice}>This is a drill: ${share(shown.drill)} of the canary's answers are taken as harmful. It is
      never evidence, and ends where it began.<//>`}
    <${Buckets} arms=${of.arms} rollout=${shown} stages=${shown.stages} />
    ${!ended && html`<${Ladder} shown=${shown} />`}
    ${last && html`<p><strong>${words(last.kind)}</strong> <${Time} at=${last.time} /> by ${visible(last.actor)}: ${visible(last.reason)}${" "}
      <a href=${link(`decisions/${last.id}`, { model: of.model })}>why</a></p>`}
    ${!ended && html`<p><strong>Now:</strong> ${visible(shown.why)}<${Soon} left=${moves && shown.left.find((each) => each.said === shown.why)} /></p>`}
    <ul>${shown.left.filter((each) => each.said !== shown.why).map((left) => html`<li>${visible(left.said)}<${Soon} left=${moves && left} /></li>`)}</ul>
    ${!ended && html`<${Facts} of=${[
      ...(shown.status === "promoted" ? [] : ahead(shown)),
      ["Switch the old arm off", shown.old_arm_free ? html`from <${Time} at=${shown.old_arm_free} />` : "not yet", shown.old_arm],
    ]} />`}
    <${Words} of=${of} shown=${shown} session=${session} start=${ended ? start : null} />
    ${shown.yaml && html`<details><summary>What the configuration should say now</summary><pre class="quoted">${visible(shown.yaml)}</pre></details>`}
  </section>`;
}

const ahead = (shown) => [
  ["This stage ends in", expected(shown.stage_seconds), "At this traffic, if the canary is as good as stable"],
  shown.plan.compare ? ["Everyone has it in", "never", "This plan compares, and does not promote"]
    : ["Everyone has it in", expected(shown.whole_seconds), "At this traffic, if the canary is as good as stable; all later stages are in it"],
];
const expected = (seconds) => (seconds === null ? "can't be said" : duration(seconds));

/** How long until this one thing no longer holds the canary back; nothing while the rollout stands still. */
const Soon = ({ left }) => (left?.seconds ? html` <span class="quiet">(about ${duration(left.seconds)} left)</span>` : null);

const Ladder = ({ shown }) => html`<ol class="ladder" aria-label="Stages">${shown.stages.map((stage, place) => {
  const last = place === shown.stages.length - 1 && shown.stage.name === "holdout";
  const current = place === shown.stage.number - 1 && shown.status !== "promoted";
  const done = place < shown.stage.number - 1;
  return html`<li class=${done ? "done" : ""} aria-current=${current ? "step" : undefined}>
    ${done ? "✓ " : ""}${percent(stage)}${last ? " holdout" : ""}${current ? html` · since <${Time} at=${shown.stage.began} />` : ""}</li>`;
})}${!shown.plan.compare && html`<li class=${shown.status === "promoted" ? "done" : ""}>${shown.status === "promoted" ? "✓ " : ""}everyone</li>`}</ol>`;

const SAID = {
  suspend: ["Suspend", "The canary gets no users until somebody resumes; those it had go back to stable."],
  resume: ["Resume", "The canary gets users again, at the stage it had, dealt anew."],
  freeze: ["Freeze", "The users that the canary has keep it, and it gets no more, until somebody decides."],
  promote: ["Promote", "Everyone gets the canary, whatever the evidence says. This can be undone for 7 days."],
  approve: ["Approve", "The step that waits for a person may be taken."],
  finish: ["Finish", "The canary becomes the baseline, and the promotion can't be undone any more."],
  undo: ["Undo", "Everyone goes straight back to the arm from before the promotion."],
  retry: ["Try the same again", "The same rollout starts again from its first stage, with new evidence."],
  rollback: ["Roll back", "Everyone goes back to stable, within a second, and the rollout ends."],
};

function Words({ shown, session, start }) {
  const all = ["approve", "suspend", "resume", "freeze", "promote", "finish", "undo", "retry", "rollback"];
  const waits = shown.left.some((each) => each.what === "approval"); // an approval in advance is for the command line
  const offered = all.filter((word) => shown.can.includes(word) && (word !== "approve" || waits));
  const bar = barred(session, "change");
  return html`<div class="row" role="group" aria-label="What an operator can say">
    ${start}
    ${offered.map((word) => html`<${ActionButton} key=${word} label=${SAID[word][0]} title="${SAID[word][0]}: ${shown.model}" why=${SAID[word][1]}
      barred=${bar} danger=${["rollback", "undo"].includes(word)}
      act=${(reason) => post(ofModel(shown.model, `rollout/${word}`), { reason })} />`)}
    ${bar && html`<span class="quiet">${bar}</span>`}
  </div>`;
}

/** What each arm did, by guardrail, with its 95 % confidence sequence; and the difference. */
function Rates({ shown }) {
  const { rows } = shown.evidence;
  const most = Math.max(0.01, ...rows.flatMap((row) => [row.stable.high, row.canary.high].filter((each) => each < 1)), ...rows.flatMap((row) => [row.stable.mean, row.canary.mean]));
  const columns = [
    { name: "Guardrail", cell: (row) => words(row.guardrail) },
    { name: "Both arms", cell: (row) => html`<${Interval} rates=${row.stable} most=${most} arm="stable" /><${Interval} rates=${row.canary} most=${most} arm="canary" />` },
    ...rateColumns(shown.from.arm, shown.to.arm),
  ];
  return html`<${Panel} title="Rates, with 95 % confidence sequences" aside="share of a unit's answers in a period; valid at any time">
    <${Table} caption="Rates per guardrail and arm" columns=${columns} rows=${rows} /><//>`;
}

const Interval = ({ rates, most, arm }) => (rates.periods ? html`<div class="interval" aria-hidden="true">
  <div class="span ${arm}" style=${{ left: `${(100 * rates.low) / most}%`, width: `${(100 * (Math.min(rates.high, most) - rates.low)) / most}%` }}></div>
  <div class="dot ${arm}" style=${{ left: `${(100 * rates.mean) / most}%` }}></div></div>` : null);

function Counted({ shown, model }) {
  const { evidence } = shown;
  const out = Object.entries(shown.left_out);
  return html`<${Panel} title="What was counted">
    <${Facts} of=${[
      ["Exchanges in this stage", `${count(shown.stage.exchanges[0])} / ${count(shown.stage.exchanges[1])}`, "stable / canary"],
      ["Periods closed in it", `${count(shown.stage.closed[0])} / ${count(shown.stage.closed[1])}`, "stable / canary: what the evidence is made of"],
      ...facts(evidence),
    ]} />
    ${out.length > 0 && html`<p>Left out: ${out.map(([why, many]) => `${count(many)} ${words(why)}`).join(", ")}.</p>`}
    <p><a href=${link("exchanges", { model, arm: shown.to.arm, finding: "violates" })}>The canary's flagged exchanges</a></p><//>`;
}

function Labels({ shown, model }) {
  const found = shown.correction;
  const arm = (each) => (each ? `${share(each.rate.value)} (${share(each.rate.low)} … ${share(each.rate.high)})` : "–");
  return html`<${Panel} title="What people say of the classifiers" aside=${html`<a href=${link("review", { model })}>Label some</a>`}>
    <p>${shown.labels}</p>
    ${found?.veto && html`<${Notice}>${found.veto}<//>`}
    ${found && html`<${Facts} of=${[
      ["Labels", found.needed ? `${count(found.labels)} of about ${count(found.needed)}` : count(found.labels), "How many hold the difference against the margin"],
      [`True rate, ${shown.from.arm}`, arm(found.stable), "What labels make of the classifiers' counts, 95 %"],
      [`True rate, ${shown.to.arm}`, arm(found.canary), "What labels make of the classifiers' counts, 95 %"],
    ]} />`}<//>`;
}

function Decisions({ model, of, canary }) {
  const columns = [
    { name: "When", cell: (row) => html`<${Time} at=${row.time} />` },
    { name: "What", cell: (row) => html`<a href=${link(`decisions/${row.id}`, { model })}>${words(row.kind)}</a>` },
    { name: "By", cell: (row) => visible(row.actor) },
    { name: "Canary", number: true, cell: (row) => moved(row, canary) },
    { name: "Why", text: true, cell: (row) => visible(row.reason) },
  ];
  return html`<${Panel} title="Decisions of this rollout"><${Loaded} of=${of} what="the decisions">${(page) => html`
    <${Table} caption="Decisions, newest first" columns=${columns} rows=${page.decisions.slice().reverse()} />`}<//><//>`;
}

/** How a decision moved an arm. */
function moved({ before, after }, arm) {
  return before[arm] === after[arm] ? percent(after[arm]) : `${percent(before[arm] ?? 0)} → ${percent(after[arm])}`;
}

function History({ of }) {
  const [open, setOpen] = useState(false);
  if (!of.data || of.data.rollouts.length < 1) return null;
  const columns = [
    { name: "Started", cell: (row) => html`<${Time} at=${row.started} />` },
    { name: "Ended as", cell: (row) => html`<${Badge} level=${LEVELS[row.status]}>${words(row.status)}${row.drill ? ", drill" : ""}<//>` },
    { name: "Versions", cell: (row) => `${row.from_version} → ${row.to_version}` },
    { name: "Plan", cell: (row) => row.preset },
    { name: "Decisions", number: true, cell: (row) => count(row.decisions) },
    { name: "Bundle", cell: (row) => html`<a href="/api/v1/rollouts/${row.id}/bundle" download>for the auditor</a>` },
  ];
  const { rollouts } = of.data;
  return html`<${Panel} title="All rollouts">
    <${Table} caption="Rollouts, newest first" columns=${columns} rows=${open ? rollouts : rollouts.slice(0, 5)} />
    ${rollouts.length > 5 && !open && html`<button type="button" onClick=${() => setOpen(true)}>Show all ${rollouts.length}</button>`}<//>`;
}
