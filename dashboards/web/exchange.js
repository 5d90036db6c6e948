// One exchange: what was said, what was found in it and by whom, and who got which arm.
import { html, useState } from "./react.js";
import { Badge, Facts, Notice, Panel, Quoted, Severity, Table, Time } from "./ui.js";
import { bytes, count, duration, percent, share, visible, words } from "./format.js";
import { Buckets } from "./buckets.js";

const TURNS = 6;
const FOUND = { violates: ["bad", "violates"], not_evaluated: ["notice", "not evaluated"], upholds: ["ok", "upheld"] };
const SEEN = /[^\p{Z}\p{C}]/u;

/** Why there is no text to judge; empty where there is. */
export function unread(shown) {
  if (shown.withheld) return "The text is kept, but not for your role: an auditor or an operator may read it.";
  return shown.text ? "" : "No text: none was kept of this exchange, or it is no longer kept.";
}

/** What was asked and answered, redacted. `span`: what is marked in an answer, as the API places it. */
export function Conversation({ shown, span = null }) {
  const [all, setAll] = useState(false);
  const { text } = shown;
  if (!text) return html`<${Notice}>${unread(shown)}<//>`;
  const turns = all ? text.turns : text.turns.slice(-TURNS);
  return html`
    ${turns.length < text.turns.length && html`<button type="button" onClick=${() => setAll(true)}>Show the ${count(text.turns.length - turns.length)} messages before</button>`}
    ${turns.map((turn) => html`<h3>${turn.role}</h3><${Piece} text=${turn.text} />
      ${turn.unread.length > 0 && html`<p class="quiet">Not text, not kept: ${visible(turn.unread.join(", "))}</p>`}`)}
    ${text.answers.map((answer, at) => html`<${Answer} answer=${answer} span=${span?.answer === at ? span : null}
      name=${text.answers.length > 1 ? `Answer ${at + 1} of ${text.answers.length}` : "Answer"} />`)}
    ${!text.answers.length && html`<h3>Answer</h3><p class="quiet">The model gave none.</p>`}
    ${text.cut && html`<p class="quiet">It was too long: some of it was not kept.</p>`}`;
}

const Piece = ({ text, span, kind }) => (text ? html`<${Quoted} key=${span?.[0]} text=${text} span=${span} kind=${kind} />` : html`<p class="quiet">Nothing.</p>`);

/** The places of findings count through text, reasoning and tool calls, a line's end between them, in code points. */
function Answer({ answer, span, name }) {
  const parts = [["", answer.text], ["Reasoning", answer.reasoning], ...answer.tool_calls.map((call) => ["Tool call", call])];
  let begin = 0;
  const placed = parts.map(([title, text]) => {
    const mine = span && SEEN.test(text) ? within(text, span.start - begin, span.end - begin) : null;
    if (span && SEEN.test(text)) begin += [...text].length + 1;
    return { title, text, span: mine };
  });
  return html`<h3>${name}${!answer.complete && html` <${Badge} level="notice">broke off<//>`}</h3>
    ${placed.map((part) => (part.title && !part.text ? null : html`${part.title && html`<h3>${part.title}</h3>`}
      <${Piece} text=${part.text} span=${part.span} kind="answer" />`))}`;
}

/** [start, end] in code points as a place in the string; null: not in it. */
function within(text, start, end) {
  if (end <= 0 || start < 0) return null;
  let [at, point, from] = [0, 0, -1];
  while (at < text.length && point < end) {
    if (point === start) from = at;
    at += text.codePointAt(at) > 0xffff ? 2 : 1;
    point += 1;
  }
  return from < 0 ? null : [from, at];
}

/** All of it. `children` stand beside the text: the label. */
export function Exchange({ shown, arms, children }) {
  const { verdict } = shown;
  const [marked, setMarked] = useState(verdict.deciding?.principle ?? "");
  const span = verdict.findings.find((each) => each.principle === marked)?.span ?? null;
  return html`<div class="grid">
      <${Panel} title="What was said" aside="redacted"><${Conversation} shown=${shown} span=${span} />${children}<//>
      <${Findings} shown=${shown} marked=${marked} setMarked=${setMarked} />
    </div>
    <div class="grid"><${Course} shown=${shown} /><${Assignment} of=${shown.assignment} arms=${arms} /></div>
    <${Labels} of=${shown.labels} /><${Feedback} of=${shown.feedback} />`;
}

function Findings({ shown, marked, setMarked }) {
  const { verdict } = shown;
  const order = Object.keys(FOUND);
  const rank = (row) => (row.principle === verdict.deciding?.principle ? -1 : order.indexOf(row.finding));
  const rows = verdict.findings.map((each) => ({ ...each, id: each.principle })).sort((one, other) => rank(one) - rank(other));
  const grave = rows.filter((row) => row.finding !== "upholds");
  const upheld = rows.filter((row) => row.finding === "upholds");
  const columns = [
    { name: "Principle", cell: (row) => html`${words(row.principle)} <${Severity} of=${row.severity} />` },
    { name: "Found", cell: (row) => html`<${Badge} level=${FOUND[row.finding][0]}>${FOUND[row.finding][1]}<//>${row.why && ` ${words(row.why)}`}` },
    { name: "Probability", number: true, cell: (row) => share(row.probability) },
    { name: "Who said so", cell: (row) => (row.by ? html`${row.by}${row.rule && html`<br /><code>${row.rule}</code>`}` : "nobody looked") },
    { name: "Where", cell: (row) => (row.span && shown.text ? html`<button type="button" class="small" aria-pressed=${row.principle === marked}
      aria-label="Mark ${words(row.principle)} in the answer" onClick=${() => setMarked(row.principle === marked ? "" : row.principle)}>mark</button>` : "–") },
  ];
  const asked = verdict.provocations.map(words).join(", ");
  return html`<${Panel} title="What was found">
    ${verdict.not_evaluated && html`<${Notice}>Not evaluated: ${words(verdict.not_evaluated)}. That is not the same as nothing found.<//>`}
    ${verdict.deciding && html`<p><${Severity} of=${verdict.severity} /> <strong>${words(verdict.deciding.principle)}</strong>${" "}
      (${verdict.deciding.tier}) decided: ${verdict.deciding.reason}.</p>`}
    ${!verdict.deciding && !verdict.not_evaluated && html`<p>No violation.</p>`}
    ${verdict.refusal && html`<p>The model refused${verdict.over_refusal ? ", and nothing speaks against the request" : ""}.</p>`}
    ${asked && html`<p>The request asked for it: ${asked}. Only an answer can violate.</p>`}
    ${grave.length > 0 && html`<${Table} caption="Findings" columns=${columns} rows=${grave} />`}
    ${upheld.length > 0 && html`<details><summary>${upheld.length} principles upheld</summary>
      <${Table} caption="Upheld" columns=${columns} rows=${upheld} /></details>`}
    <p class="quiet">Constitution <code title=${verdict.constitution}>${verdict.constitution.slice(0, 12)}</code>,
      read by ${Object.entries(verdict.evaluators).map(([name, version]) => `${name} ${version}`).join(", ") || "nobody"}.</p><//>`;
}

function Course({ shown }) {
  const stages = Object.entries(shown.verdict.seconds).map(([name, seconds]) => `${words(name)} ${duration(seconds)}`);
  return html`<${Panel} title="How it went"><${Facts} of=${[
    ["Ended", `${shown.status} ${words(shown.reason)}`],
    ["Asked by", `${words(shown.route)}${shown.streamed ? ", streamed" : ""}`],
    ["Started", html`<${Time} at=${shown.started} />`],
    ["Sent on after", duration(shown.upstream_seconds), "Time in the gateway before the model server had it"],
    ["First byte after", duration(shown.first_byte_seconds)],
    ["Whole answer after", duration(shown.total_seconds)],
    ["Request, answer", `${bytes(shown.request_bytes)}, ${bytes(shown.response_bytes)}`],
    ["Trace", shown.trace_id ? html`<code>${shown.trace_id}</code>` : "none"],
  ]} />
  <p class="quiet">Exchange <code>${shown.id}</code>${stages.length > 0 && html`; looked at for: ${stages.join(", ")}`}</p><//>`;
}

/** With the weights of its table the arms after the first own the low buckets, so one weighted arm shows the whole split. */
function Assignment({ of, arms }) {
  const two = arms.length === 2 && arms.some((each) => each.arm === of.arm);
  const split = arms.map(({ arm }) => ({ arm, version: "", weight: arm === of.arm ? of.weight : 100 - of.weight }));
  return html`<${Panel} title="Who got which arm">
    ${two && !of.forced && html`<${Buckets} arms=${split} at=${100 * of.bucket} />`}
    <${Facts} of=${[
      ["Assigned", `${of.arm}, with ${percent(of.weight)} of the users`],
      ["Answered by", of.served || "none"],
      ["Bucket", percent(100 * of.bucket), "Where the unit's hash falls between 0 and 100 %"],
      ["Dealt by", `table ${of.table_version}, epoch ${of.table_epoch}`],
      ["Unit", html`${of.unit_kind} <code title="keyed hash, taken from ${of.unit_source}">${of.unit.slice(0, 12)}</code>`],
    ]} />
    ${of.forced && html`<p>An operator chose this arm: it is never evidence.</p>`}<//>`;
}

function Feedback({ of }) {
  const columns = [
    { name: "When", cell: (row) => html`<${Time} at=${row.time} />` },
    { name: "What", cell: (row) => words(row.metric) },
    { name: "Value", number: true, cell: (row) => row.value },
    { name: "Counts", cell: (row) => (row.counts ? "yes" : "no: another came first") },
  ];
  return of.length ? html`<${Panel} title="Feedback of the user"><${Table} caption="Feedback" columns=${columns} rows=${of} /><//>` : null;
}

/** What people have said of it by now, each one's last word. */
function Labels({ of }) {
  if (!of.length) return null;
  const columns = [
    { name: "Who", cell: (row) => visible(row.actor) },
    { name: "Says", cell: (row) => html`<${Badge} level=${row.violates ? "bad" : "ok"}>${row.violates ? "violates" : "does not violate"}<//> ${words(row.principle)}` },
    { name: "Note", text: true, cell: (row) => visible(row.note) },
    { name: "When", cell: (row) => html`<${Time} at=${row.time} />` },
  ];
  return html`<${Panel} title="Labels"><${Table} caption="Labels of people" columns=${columns} rows=${of.map((each) => ({ ...each, id: `${each.actor} ${each.principle}` }))} /><//>`;
}
