// The evidence over time: how strongly it says "worse" and "no worse", against what the plan needs, and where it is heading.
import { html } from "./react.js";
import { ofModel } from "./api.js";
import { Chart } from "./chart.js";
import { useData } from "./live.js";
import { Loaded, Panel, number } from "./ui.js";
import { count, duration, evalue, points, share, words } from "./format.js";

const FLOOR = -2;
const DECADES = [1, 2, 3, 5, 10, 20, 50];

const seconds = (time) => Date.parse(time) / 1000;
const floored = (value) => Math.max(value ?? FLOOR, FLOOR);
const said = (value) => `${value > FLOOR ? "" : "≤ "}${evalue(value)}`;
const flat = (times, value) => times.map(() => value);

/** `shown`: the rollout as the API shows it. */
export function EvidenceCharts({ model, shown, mark }) {
  const found = useData(ofModel(model, `rollout/${shown.id}/evidence`), mark);
  return html`<${Panel} title="Evidence" aside="Higher is a stronger sign: E 20 comes by chance in at most one of 20 rollouts, whenever one looks">
    <${Loaded} of=${found} what="the evidence over time">${(over) => html`<div class="grid">
      <${Whole} over=${over} rows=${shown.evidence.rows} />
      ${over.guardrails.map((name, place) => html`<${Guardrail} key=${name} over=${over} place=${place} name=${name} shown=${shown} />`)}
    </div>`}<//><//>`;
}

/** All guardrails together: the fast alarm, and the confirming mean that rolls back. */
function Whole({ over, rows }) {
  const strongest = rows.reduce((one, other) => (other.worse > one.worse ? other : one), rows[0]);
  const times = over.points.map((point) => seconds(point.time));
  const lines = [
    { label: "worse, all guardrails", values: over.points.map((point) => floored(point.mean)), colour: "canary" },
    { label: "fast alarm", values: over.points.map((point) => floored(point.alarm)), colour: "stable", dash: "canary" },
    { label: `worse rolls back at E ${evalue(over.needs)}`, values: flat(times, over.needs), colour: "canary", dash: "threshold" },
    { label: `fast alarm acts at E ${evalue(over.alarm_needs)}`, values: flat(times, over.alarm_needs), colour: "stable", dash: "threshold" },
  ];
  return html`<div class="wide"><${Chart} title="Is the canary worse? All guardrails together" times=${times} lines=${lines}
    format=${said} low=${FLOOR} high=${over.needs + 0.5} steps=${DECADES} />
    ${strongest?.worse > 0 && html`<p>The strongest sign of worse: ${words(strongest.guardrail)}, E ${evalue(strongest.worse)}.</p>`}</div>`;
}

/** One guardrail: "worse" and "no worse", what "no worse" needs, and its way there. */
function Guardrail({ over, place, name, shown }) {
  const row = shown.evidence.rows[place];
  const needs = over.no_worse_needs[place];
  const left = shown.left.find((each) => each.what === `proof of ${name}`);
  const points = over.points;
  const times = points.map((point) => seconds(point.time));
  const last = points.at(-1);
  const heading = left?.seconds && last ? { at: times.at(-1) + left.seconds, from: floored(last.no_worse[place]) } : null;
  const all = heading ? [...times, heading.at] : times;
  const line = (values) => (heading ? [...values, null] : values);
  const lines = [
    { label: "worse", values: line(points.map((point) => floored(point.worse[place]))), colour: "canary" },
    { label: "no worse", values: line(points.map((point) => floored(point.no_worse[place]))), colour: "good", dash: "canary" },
    { label: `worse is shown at E ${evalue(over.needs)}`, values: flat(all, over.needs), colour: "canary", dash: "threshold" },
    ...(row?.promotes ? [{ label: `no worse is shown at E ${evalue(needs)}`, values: flat(all, needs), colour: "good", dash: "threshold" }] : []),
    ...(heading ? [{ label: `heading there in about ${duration(left.seconds)}`, bridged: true, colour: "good", dash: "projection",
      values: [...times.map((_, at) => (at === times.length - 1 ? heading.from : null)), needs] }] : []),
  ];
  const rates = row?.canary.periods ? `: ${shown.from.arm} ${share(row.stable.mean)}, ${shown.to.arm} ${share(row.canary.mean)}` : "";
  return html`<${Chart} title=${`${words(name)}${rates}`} times=${all} lines=${lines} format=${said} low=${FLOOR}
    high=${Math.max(over.needs, needs) + 0.3} steps=${DECADES} />`;
}

const rate = (of) => (of.periods ? html`${share(of.mean)} <span class="quiet">${share(of.low)} … ${share(of.high)}</span>` : "–");

/** Columns for the rows of an evidence table: both arms' rates, and their difference, each with its 95 % interval. */
export const rateColumns = (from, to) => [
  number(from, (row) => rate(row.stable)),
  number(to, (row) => rate(row.canary)),
  number("Difference, points", (row) => (row.stable.periods && row.canary.periods
    ? html`${points(row.canary.mean - row.stable.mean)} <span class="quiet">${points(row.low)} … ${points(row.high)}</span>` : "–")),
  number("Not evaluated", (row) => `${share(row.not_evaluated[0])} / ${share(row.not_evaluated[1])}`),
];

/** Of the guardrail whose alarm speaks loudest. */
function firsts(rows) {
  const told = rows.filter((row) => row.weight > 0 && row.firsts && row.firsts[1].stable + row.firsts[1].canary > 0);
  if (told.length === 0) return "none";
  const adds = (row) => row.alarm + Math.log10(row.weight);  // to the alarms' mean
  const row = told.reduce((one, other) => (adds(other) > adds(one) ? other : one));
  const { stable, canary, due } = row.firsts[1];
  return `${words(row.guardrail)}: ${count(canary)} of ${count(stable + canary)} the canary's (${due.toFixed(1)} if it were equal)`;
}

/** Facts of an evidence: whom it is of, what it has cost, and whether users arrived as they were dealt. */
export const facts = (of) => [
  ["Units, stable / canary", `${count(of.units[0])} / ${count(of.units[1])}`, "Users or sessions that were counted, since the last deal"],
  ["First violations in this stage", firsts(of.rows), "What the fast alarm counts, at once; rates and the rest wait until a user's period is over"],
  ["Harm budget used", of.budget ? `${count(Number(of.budget_spent.toFixed(1)))} of ${count(of.budget)}` : "none set",
    "Harmful answers more than stable would have given; used up, the rollout stops"],
  ["Split as dealt", of.mismatch >= of.mismatch_needs ? html`<strong>■ no: more or fewer than chance</strong>` : `yes (E ${evalue(of.mismatch)})`,
    "Whether users arrive as the weights say"],
];
