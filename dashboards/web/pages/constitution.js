// The written rules: by rank, as they were before, and what another text would have flagged. Nothing is changed here.
import { html, useEffect, useRef, useState } from "../react.js";
import { ask } from "../api.js";
import { useData } from "../live.js";
import { go, link } from "../router.js";
import { Badge, Choice, Empty, ExchangeLink, Facts, Loaded, Notice, Panel, Table, Time, Told, barred, number, post } from "../ui.js";
import { count, duration, visible, words } from "../format.js";

const API = "/api/v1/constitution";
const SCOPES = { request: "reads the request", response: "reads the answer", exchange: "reads the answer in the light of the request" };
const ACTIONS = { record: "recorded", alarm: "recorded, with an alarm", guard: "recorded, with an alarm, and withheld where guards run" };
const LEVELS = { critical: "bad", high: "bad", medium: "notice", low: "none" };

export default function Constitution({ place, model, live, session }) {
  const found = useData(API, live?.constitution);
  const set = (values) => link("constitution", { ...place.query, ...values });
  return html`
    <${Loaded} of=${found} what="the constitution">${(shown) => html`
      <${Principles} shown=${shown} model=${model} wanted=${place.query.words ?? ""} set=${set} />`}<//>
    <${Versions} of=${useData(`${API}/versions`, live?.constitution)} wanted=${place.query.version} set=${set} />
    <${Try} model=${model} session=${session} />`;
}

const Hash = ({ of }) => html`<code title=${of}>${of.slice(0, 12)}</code>`;

function Principles({ shown, model, wanted, set }) {
  const asked = wanted.toLowerCase().split(/\s+/);
  const all = shown.tiers.flatMap(({ tier, principles }) => principles.map((each) => ({ tier, ...each })));
  const fitting = all.filter((each) => {
    const text = [each.id, each.title, each.text, each.tier, each.severity, SCOPES[each.scope], ...each.rules, ...each.heads].join(" ").toLowerCase();
    return asked.every((word) => text.includes(word));
  });
  return html`<${Panel} title=${visible(shown.title)} aside=${html`version <${Hash} of=${shown.hash} />
    ${" "}· <a href="#versions">versions</a> · <a href="#try">try a change</a>`}>
    <div class="row"><label for="words">Find</label>
      <input id="words" type="search" placeholder="a word, a severity …" value=${wanted}
        onInput=${(event) => go(set({ words: event.target.value }), { replace: true })} />
      <span class="quiet" role="status">${count(fitting.length)} of ${count(all.length)} principles</span></div>
    ${shown.tiers.map(({ tier }) => [tier, fitting.filter((each) => each.tier === tier)]).filter(([, those]) => those.length).map(([tier, those]) => html`
      <h3 class="rank">${tier[0].toUpperCase()}${tier.slice(1)}</h3>
      <ul class="rules">${those.map((each) => html`<${Principle} key=${each.id} of=${each} model=${model} />`)}</ul>`)}
    ${!fitting.length && html`<${Empty} title="No principle says that"><a href=${set({ words: "" })}>Show all</a><//>`}
    <p class="quiet">Where two of them pull apart, the one that stands higher decides.</p><//>`;
}

function Principle({ of, model }) {
  const { rules, heads, examples } = of;
  const by = [rules.length && `${count(rules.length)} ${rules.length === 1 ? "rule" : "rules"}`, heads.length && `the encoder (${heads.join(", ")})`].filter(Boolean).join(" and ");
  const many = count(examples.violates + examples.complies + examples.provokes);
  return html`<li><div><h4>${visible(of.title)}</h4> <code>${of.id}</code>
      <p><${Badge} level=${LEVELS[of.severity]}>${of.severity}<//>
        ${" "}<a href=${link("exchanges", { model, principle: of.id })} aria-label="Exchanges: ${of.id}">exchanges</a></p></div>
    <div><p>${visible(of.text)}</p>
      <p class="quiet">${SCOPES[of.scope]}; violated by ${words(of.violated_by)}; ${ACTIONS[of.action]};
        ${" "}found ${by ? `by ${by}` : of.violated_by === "over_refusal" ? "where a refusal has no ground" : "by nothing yet"}; ${many} examples</p></div></li>`;
}

function Versions({ of, wanted, set }) {
  const changes = ({ changed }) => Object.entries(changed).filter(([, many]) => many)
    .map(([what, many]) => `${count(many)} ${what}`).join(", ") || "no principle changed";
  const columns = [
    { name: "Version", cell: (row) => html`<${Hash} of=${row.hash} /> ${row.in_force && html`<${Badge} level="ok">in force<//>`}` },
    { name: "Since", cell: (row) => html`<${Time} at=${row.since} />` },
    { name: "Against the one before", cell: (row) => (row.changed ? html`<a href="${set({ version: row.hash })}#versions"
      aria-current=${row.hash === wanted ? "true" : undefined}>${changes(row)}</a>` : "the first that is kept") },
    number("Principles", "principles"),
    { name: "Title", text: true, cell: (row) => visible(row.title) },
  ];
  return html`<${Panel} title="Versions" id="versions"><${Loaded} of=${of} what="the versions">${({ versions }) => html`
    <${Table} caption="Constitutions that were in force, newest first" columns=${columns} rows=${versions} empty="None is kept yet." />
    ${wanted && html`<${Chosen} key=${wanted} versions=${versions} wanted=${wanted}
      close=${html`<a href="${set({ version: "" })}#versions">Close</a>`} />`}`}<//><//>`;
}

/** What the chosen version says otherwise than the one before it. */
function Chosen({ versions, wanted, close }) {
  const [found, setFound] = useState({ loading: true });
  const at = versions.findIndex((each) => each.hash === wanted);
  const before = at < 0 ? undefined : versions[at + 1]?.hash;
  const compare = () => before && post(`${API}/diff`, { before, after: wanted }).then((data) => setFound({ data }), (error) => setFound({ error, reload: compare }));
  useEffect(() => void compare(), [before]);
  if (!before) return html`<p>${at < 0 ? html`Version <code>${visible(wanted.slice(0, 64))}</code> is not kept here.` : "There is none before it."} ${close}</p>`;
  return html`<h3 class="rank"><${Hash} of=${wanted} /> against <${Hash} of=${before} /> ${close}</h3>
    <${Loaded} of=${found} what="the difference">${(difference) => html`<${Difference} of=${difference} />`}<//>`;
}

const KINDS = { added: "ok", removed: "bad", changed: "notice", moved: "none" };

/** Principle by principle and key by key: what goes is struck out, what comes is underlined. */
function Difference({ of }) {
  if (of.same) return html`<p>They say the same: nothing differs but comments and layout.</p>`;
  const rest = of.others.length ? [{ id: "", title: "The whole", change: "changed", fields: of.others }] : [];
  const fields = (each) => html`<${Told} of=${each.fields.map((field) => [field.field, html`<${Words} ...${field} />`])} />`;
  return html`<ul class="changes">${[...of.principles, ...rest].map((each) => html`<li key=${each.id}>
    <h4>${visible(each.title)} <code>${each.id}</code> <${Badge} level=${KINDS[each.change]}>${each.change}<//></h4>
    ${each.change === "removed" ? html`<details><summary>What it said</summary>${fields(each)}</details>` : fields(each)}</li>`)}</ul>`;
}

/** Two texts as one, word by word: what both begin and end with stands once. */
function Words({ before, after }) {
  const [was, is] = [before, after].map((text) => text.split(/(?<=\s)/));
  const least = Math.min(was.length, is.length);
  let head = 0;
  while (head < least && was[head] === is[head]) head += 1;
  let tail = 0;
  while (tail < least - head && was.at(-1 - tail) === is.at(-1 - tail)) tail += 1;
  const part = (of, from, to) => visible(of.slice(from, to).join(""));
  const [gone, come] = [was, is].map((each) => part(each, head, each.length - tail));
  return html`${part(was, 0, head)}${gone && html`<del>${gone}</del>`}${gone && come && " "}${come && html`<ins>${come}</ins>`}${part(was, was.length - tail)}`;
}

const SINCE = [["", "at any time"], ["3600", "in the last hour"], ["86400", "in the last 24 h"], ["604800", "in the last 7 days"]];
const MOST = ["100", "500", "1000", "2000"].map((most) => [most, `the newest ${count(Number(most))}`]);

function Try({ model, session }) {
  const [text, setText] = useState("");
  const [limit, setLimit] = useState("500");
  const [since, setSince] = useState("");
  const [state, setState] = useState({});
  const running = useRef(null);
  const area = useRef(null);
  const stop = () => {
    running.current?.abort();
    running.current = null;
    setState({});
  };
  useEffect(() => () => running.current?.abort(), []);
  const send = async (path, busy, more = {}) => {
    const mine = (running.current = new AbortController());
    setState({ busy, at: Date.now() });
    const asked = ask(`${API}/${path}`, { method: "POST", body: { text, ...more }, signal: mine.signal });
    const found = await asked.then((data) => ({ [path]: data, of: text }), (error) => ({ error }));
    if (running.current === mine) setState(found);
  };
  const whatIf = () => send("what-if", `Reading the newest ${count(Number(limit))} answers of ${model} again, by both texts`,
    { model, limit: Number(limit), since: since ? new Date(Date.now() - 1000 * Number(since)).toISOString() : null });
  const read = async ({ target }) => target.files[0] && setText(await target.files[0].text());
  const bar = barred(session, "text");
  const idle = !state.busy && text.trim();
  return html`<${Panel} title="Try a change" id="try">
    <p>See what another text would have flagged. <strong>Nothing is changed here</strong>: the constitution is a file, and changing it goes
      through that file's review; it is in force once the configuration is read again.</p>
    <div class="row"><label for="file">Choose a file</label><input id="file" type="file" accept=".yaml,.yml" onChange=${read}
      onClick=${({ target }) => (target.value = "")} /></div>
    <label for="text">or paste the whole constitution, as YAML</label>
    <textarea id="text" class="mono" rows="8" spellcheck="false" ref=${area} value=${text} onInput=${(event) => setText(event.target.value)}></textarea>
    <div class="row">
      <button type="button" disabled=${!idle} onClick=${() => send("diff", "Comparing it with the one in force")}>Show what differs</button>
      <button type="button" class="main" aria-disabled=${bar ? "true" : undefined} title=${bar} disabled=${!bar && !idle}
        onClick=${() => !bar && whatIf()}>What if?</button>
      <${Choice} label="Answers" value=${limit} options=${MOST} onChange=${setLimit} />
      <${Choice} label="given" value=${since} options=${SINCE} onChange=${setSince} />
      ${bar && html`<span class="quiet">What if: ${bar}</span>`}</div>
    ${state.busy && html`<${Busy} ...${state} stop=${stop} />`}
    ${state.error && html`<${Refused} error=${state.error} area=${area} />`}
    ${state.of !== undefined && state.of !== text && html`<${Notice}>The text was changed since: what follows is what the one before gave.<//>`}
    ${state.diff && html`<h3 class="rank">What differs from the one in force</h3><${Difference} of=${state.diff} />`}
    ${state["what-if"] && html`<${WhatIf} of=${state["what-if"]} model=${model} />`}<//>`;
}

function Busy({ busy, at, stop }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((before) => before + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return html`<${Notice}>${busy} … <span aria-hidden="true">${duration(Math.round((Date.now() - at) / 1000))}</span>
    ${" "}<button type="button" class="small" onClick=${stop}>Stop waiting</button><//>`;
}

/** Why a text can't be loaded, line by line; a line's number leads to it. */
function Refused({ error, area }) {
  const show = (line) => {
    const lines = area.current.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    area.current.focus();
    area.current.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
    area.current.scrollTop = (area.current.scrollHeight * (line - 3)) / lines.length;
  };
  return html`<${Notice} level="bad"><strong>${error.title}.</strong> ${error.errors.length
    ? html`<ul>${error.errors.map((each) => html`<li>
        ${each.line > 0 && html`<button type="button" class="small" onClick=${() => show(each.line)}>line ${each.line}</button>`}
        ${" "}<code>${visible(each.key ?? "")}</code> ${visible(each.detail)}</li>`)}</ul>` : visible(error.message)}<//>`;
}

/** The later number, and by how much it differs. */
function then(before, after) {
  const more = after === before ? "same" : `${after > before ? "+" : "−"}${count(Math.abs(after - before))}`;
  return html`${count(after)} <span class="quiet">${more}</span>`;
}

function WhatIf({ of, model }) {
  const links = (ids) => ids.map((id) => html`<${ExchangeLink} id=${id} model=${model} /> `);
  const rows = of.principles.filter((each) => each.before || each.after || each.not_evaluated_before || each.not_evaluated_after);
  const arms = [{ name: "Arm", cell: (row) => row.arm }, number("Answers read", "exchanges"), number("Flagged in force", "violating_before"),
    number("Flagged by this text", (row) => then(row.violating_before, row.violating_after))];
  const columns = [
    { name: "Principle", cell: (row) => html`${visible(row.title)} <code>${row.principle}</code>` },
    number("Flagged in force", "before"),
    number("Flagged by this text", (row) => then(row.before, row.after)),
    number("Not evaluated, now / then", (row) => `${count(row.not_evaluated_before)} / ${count(row.not_evaluated_after)}`),
    { name: "Newly flagged", text: true, cell: (row) => links(row.newly) },
    { name: "No longer flagged", text: true, cell: (row) => links(row.no_longer) },
  ];
  return html`<h3 class="rank">What it would have flagged</h3>
    ${of.stopped && html`<${Notice}>The time was over before all were read: these are the newest ones.<//>`}
    <${Facts} of=${[["Answers read again", count(of.looked_at)], ["Left out, as no text is kept", count(of.without_text)], ["Took", duration(of.seconds)]]} />
    <${Table} caption="Answers flagged per arm, now and then" columns=${arms} rows=${of.arms} empty="No answer with a kept text was found." />
    <${Table} caption="Answers flagged per principle, now and then" columns=${columns} rows=${rows} empty="Neither text flags any of these answers." />
    <p class="quiet">Both texts read what is kept: redacted, and cut where it was long. So "now" can differ from what was found at the time.
      At most 20 exchanges are named for a principle, each way; principles that flag nothing either way are left out.</p>`;
}
