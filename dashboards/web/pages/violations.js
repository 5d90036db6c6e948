// For whoever is on call: how much is wrong, in which arm, since when, and of which kind.
import { html } from "../react.js";
import { ofModel } from "../api.js";
import { kindOf } from "../buckets.js";
import { Chart } from "../chart.js";
import { useData } from "../live.js";
import { go, link } from "../router.js";
import { ActionButton, Badge, Choice, Empty, Loaded, Notice, Panel, SEVERITIES, Severity, Table, Time, barred, post } from "../ui.js";
import { count, share, visible, words } from "../format.js";

const WINDOWS = { "15m": "15 minutes", "1h": "hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days", "30d": "30 days" };
const BY_HOUR = ["24h", "7d", "30d"];
const MINUTE_MS = 60_000;
const LEAST = 0.01; // a chart's height, so that nothing does not look like much

const sum = (values) => values.reduce((total, each) => total + each, 0);
const ratio = (part, whole) => (whole ? part / whole : null);
const ratios = (parts, wholes) => parts.map((part, at) => ratio(part, wholes[at]));
const principleOf = (arm, id) => arm.principles.find((each) => each.principle === id);

export default function Violations({ place, model, live, session }) {
  const chosen = Object.hasOwn(WINDOWS, place.query.window) ? place.query.window : "1h";
  const mark = BY_HOUR.includes(chosen) ? Math.floor(Date.now() / MINUTE_MS) : live?.marks.exchanges;
  const series = useData(model ? `${ofModel(model, "series")}?window=${chosen}` : null, mark);
  const constitution = useData("/api/v1/constitution", live?.constitution);
  const choose = (changed) => go(link("violations", { ...place.query, ...changed }));
  return html`
    <div class="row"><${Choice} label="The last" value=${chosen} options=${Object.entries(WINDOWS)} onChange=${(window) => choose({ window })} /></div>
    <${Levels} model=${model} session=${session} mark=${mark} />
    <${Loaded} of=${series} what="the numbers">${(found) => (found.arms.some((arm) => sum(arm.exchanges))
      ? html`<${Arms} found=${found} live=${live} model=${model} />
        <${Over} found=${found} live=${live} model=${model} principle=${place.query.principle} />
        <${Principles} found=${found} constitution=${constitution.data} place=${place} />`
      : html`<${Empty} title="No exchanges in the last ${WINDOWS[chosen]}">Nothing was asked of this model, or nothing has been scored yet.<//>`)}<//>`;
}

/** How an arm is drawn: as on the page of the rollout. */
function look(live, model, arm) {
  const of = live?.models.find((each) => each.model === model);
  const kind = of ? kindOf(of.arms, of.rollout, arm) : "other";
  return { label: arm, colour: kind, dash: kind };
}

/** Each arm as a whole. */
function Arms({ found, live, model }) {
  const to = (arm, values, text) => html`<a href=${link("exchanges", { model, arm: arm.arm, since: found.since, ...values })}>${text}</a>`;
  const part = (parts, wholes) => html`${share(ratio(sum(parts), sum(wholes)))} <span class="quiet">${count(sum(parts))} of ${count(sum(wholes))}</span>`;
  const columns = [
    { name: "Arm", cell: (arm) => html`<span class="swatch ${look(live, model, arm.arm).colour}"></span>${arm.arm}` },
    { name: "Violating", number: true, cell: (arm) => to(arm, {}, part(arm.violating, arm.evaluated)) },
    { name: "Refused without need", number: true, cell: (arm) => to(arm, { finding: "any", over_refusal: true }, part(arm.over_refusals, arm.over_refusal_evaluated)) },
    { name: "Refused", number: true, cell: (arm) => part(arm.refusals, arm.refusal_evaluated) },
    { name: "Not evaluated", number: true, cell: (arm) => to(arm, { finding: "not_evaluated" }, part(arm.not_evaluated, arm.exchanges)) },
    { name: "Errors of the model server", number: true, cell: (arm) => part(arm.upstream_errors, arm.exchanges) },
  ];
  const aside = html`<${Time} at=${found.since} /> to <${Time} at=${found.until} />`;
  return html`<${Panel} title="Each arm" aside=${aside}>
    <${Table} caption="Each arm in this time" columns=${columns} rows=${found.arms} /><//>`;
}

/** Shares over time, harm and needless refusal side by side: less of one is often more of the other. A chosen principle first. */
function Over({ found, live, model, principle }) {
  const draw = (title, values, wide) => html`<section class="panel ${wide}" aria-label=${title}><${Shares} title=${title} found=${found}
    live=${live} model=${model} values=${values} /></section>`;
  const whole = (title, parts, wholes) => draw(title, (arm) => ratios(arm[parts], arm[wholes]), "");
  const ofPrinciple = (arm) => {
    const counted = principleOf(arm, principle);
    return counted ? ratios(counted.violations, counted.evaluated) : found.times.map(() => null);
  };
  return html`<div class="grid">
    ${principle && draw(words(principle), ofPrinciple, "wide")}
    ${whole("Violating", "violating", "evaluated")}
    ${whole("Refused without need", "over_refusals", "over_refusal_evaluated")}
    ${whole("Not evaluated", "not_evaluated", "exchanges")}</div>`;
}

function Shares({ title, found, live, model, values }) {
  const lines = found.arms.map((arm) => ({ ...look(live, model, arm.arm), values: values(arm) }));
  return html`<${Chart} title="${title}, by ${found.step_seconds < 3600 ? "minute" : "hour"}" times=${found.times.map((time) => Date.parse(time) / 1000)}
    lines=${lines} format=${share} low=${0} high=${LEAST} />`;
}

/** What is violated, the gravest first. */
function Principles({ found, constitution, place }) {
  const { model } = found;
  const chosen = place.query.principle;
  const rows = ranked(found, constitution);
  const cell = (row, arm) => {
    const counted = principleOf(arm, row.id);
    if (!counted || !sum(counted.evaluated)) return "–";
    const [many, of] = [sum(counted.violations), sum(counted.evaluated)];
    const said = share(many / of);
    return html`${many ? html`<a href=${link("exchanges", { model, arm: arm.arm, principle: row.id, since: found.since })}>${said}</a>` : said}
      ${" "}<span class="quiet">${count(many)} of ${count(of)}</span>`;
  };
  const columns = [
    { name: "Severity", cell: (row) => html`<${Severity} of=${row.severity} />` },
    { name: "Principle", cell: (row) => html`<strong>${words(row.id)}</strong> <span class="quiet">${visible(row.title)}</span>` },
    { name: "Tier", cell: (row) => row.tier },
    ...found.arms.map((arm) => ({ name: arm.arm, number: true, cell: (row) => cell(row, arm) })),
    { name: "Over time", cell: (row) => html`<a href=${link("violations", { ...place.query, principle: row.id === chosen ? "" : row.id })}
        aria-current=${row.id === chosen ? "true" : undefined} aria-label="${row.id === chosen ? "hide" : "show"} ${words(row.id)} over time">${row.id === chosen ? "hide" : "show"}</a>` },
  ];
  return html`<${Panel} title="By principle" aside="violations of the answers in which it was evaluated; each share leads to the exchanges">
    <${Table} caption="Violations by principle and arm, the gravest first" columns=${columns} rows=${rows} empty="No violation in this time." /><//>`;
}

function ranked(found, constitution) {
  const written = (constitution?.tiers ?? []).flatMap((tier) => tier.principles.map((each) => ({ ...each, tier: tier.tier })));
  const ids = new Set(found.arms.flatMap((arm) => arm.principles.map((each) => each.principle)));
  const rows = [...ids].map((id) => ({
    ...(written.find((each) => each.id === id) ?? { title: "no longer in the constitution" }),
    id,
    violations: sum(found.arms.flatMap((arm) => principleOf(arm, id)?.violations ?? [])),
  }));
  return rows.sort((one, other) => SEVERITIES.indexOf(other.severity) - SEVERITIES.indexOf(one.severity) || other.violations - one.violations);
}

/** The alarms that watch an arm between rollouts. */
function Levels({ model, session, mark }) {
  const found = useData("/api/v1/levels", mark);
  const here = (found.data?.alarms ?? []).filter((each) => each.model === model);
  const raised = here.filter((each) => each.raised);
  if (!raised.length) {
    const said = here.length ? `${here.length} level alarms watch; none is raised.` : "No level alarm watches yet: one needs a week of traffic.";
    return html`<${Loaded} of=${found} what="the level alarms">${() => html`<p class="quiet">${said}</p>`}<//>`;
  }
  const columns = [
    { name: "Since", cell: (row) => html`<${Time} at=${row.raised} />` },
    { name: "Arm", cell: (row) => row.arm },
    { name: "Principle", cell: (row) => html`<${Badge} level="bad">${words(row.principle)}<//>` },
    { name: "In the 3 hours before", number: true, cell: (row) => share(row.rate) },
    { name: "Budget", number: true, cell: (row) => share(row.budget) },
    { name: "Act", cell: (row) => html`<${ActionButton} label="Acknowledge" title="Acknowledge: ${words(row.principle)}, ${row.arm}"
      barred=${barred(session, "change")} why="Say what was found. The alarm is lowered and begins anew." kept="in the log"
      act=${(reason) => post(ofModel(model, "levels/acknowledge"), { arm: row.arm, principle: row.principle, reason }).then(found.reload)} />` },
  ];
  return html`<${Panel} title="Level alarms"><${Notice} level="bad">${raised.length === 1 ? "One alarm is" : `${raised.length} alarms are`} raised: more
    violations than the arm had in its own past.<//>
    ${found.error && html`<${Notice}>This may be old: ${found.error.message}<//>`}
    <${Table} caption="Raised level alarms" columns=${columns} rows=${raised.map((each) => ({ ...each, id: `${each.arm} ${each.principle}` }))} /><//>`;
}
