// The exchanges that were flagged, or any others: found by filter, looked at one by one, labelled right there.
import { html, useEffect, useId, useRef, useState } from "../react.js";
import { ofModel, query } from "../api.js";
import { Exchange, unread } from "../exchange.js";
import { Judge, spokenOf } from "../judge.js";
import { useData } from "../live.js";
import { go, link } from "../router.js";
import { Badge, Choice, Loaded, SEVERITIES, Severity, Table, Time, post } from "../ui.js";
import { bytes, count, duration, words } from "../format.js";

const FILTERS = ["arm", "principle", "finding", "severity", "refusal", "over_refusal", "disagreed", "status", "forced", "since", "until"];
const FINDINGS = [["violates", "violating"], ["provocation", "provoking"], ["not_evaluated", "not evaluated"], ["any", "any"]];
const YES_NO = [["", "either"], ["true", "yes"], ["false", "no"]];
const EXPORTED = 10_000;

export default function Exchanges({ place, model, live, session }) {
  const ids = useRef([]); // of the list that was shown last: the way to the one before and after
  const constitution = useData("/api/v1/constitution", live?.constitution);
  const spoken = spokenOf(constitution.data);
  const armsOf = (name) => live?.models.find((each) => each.model === name)?.arms ?? [];
  return place.id
    ? html`<${One} key=${place.id} place=${place} ids=${ids.current} armsOf=${armsOf} spoken=${spoken} session=${session} />`
    : html`<${List} place=${place} model=${model} ids=${ids} arms=${armsOf(model)} principles=${spoken.slice(2)} mark=${live?.marks.exchanges} />`;
}

/** What the API is asked for. */
function wanted({ query: set }, model) {
  const filter = Object.fromEntries(FILTERS.map((name) => [name, set[name]]));
  return { model, ...filter, finding: filter.finding === "any" ? "" : filter.finding || "violates" };
}

function List({ place, model, ids, arms, principles, mark }) {
  const { cursor } = place.query;
  const filter = wanted(place, model);
  const path = model ? `/api/v1/exchanges${query({ ...filter, cursor })}` : null;
  const found = useData(path, cursor ? "" : mark);
  const [held, hold] = useHeld(path, found.data);
  const change = (changed) => go(link("exchanges", { ...place.query, cursor: "", ...changed }));
  ids.current = held?.exchanges.map((each) => each.id) ?? [];
  return html`
    <${Filters} set=${place.query} finding=${place.query.finding || "violates"} change=${change} arms=${arms} principles=${principles} />
    <div class="row">
      <a class="button" href="/api/v1/exchanges/export${query({ ...filter, finding: filter.finding || "any", limit: EXPORTED })}" download
        title="The newest ${count(EXPORTED)} of these, as JSON lines; with their texts where your role may read them">Export</a>
      ${cursor && html`<a href=${link("exchanges", { ...place.query, cursor: "" })}>Back to the newest</a>`}
      ${!cursor && held && html`<${Newer} held=${held} now=${found.data} show=${hold} />`}
    </div>
    <${Loaded} of=${{ ...found, data: held }} what="the exchanges">${(page) => html`
      <section class="panel" aria-label="The exchanges"><${Table} caption="Exchanges, newest first" columns=${columns(place)} rows=${page.exchanges}
        empty="No exchange is like this. Widen the filter, or look again when more has been scored." />
      ${page.next && html`<p><a href=${link("exchanges", { ...place.query, cursor: page.next })}>Older</a></p>`}</section>`}<//>`;
}

/** The first answer to `path` stays, so that rows do not move under the pointer; an empty one gives way. */
function useHeld(path, data) {
  const [held, setHeld] = useState({ path: null, data: null });
  const stays = held.path === path && held.data?.exchanges.length;
  useEffect(() => {
    if (data && !stays) setHeld({ path, data });
  }, [path, data]);
  return [stays ? held.data : data, () => setHeld({ path, data })];
}

function Newer({ held, now, show }) {
  const at = now && held.exchanges.length ? now.exchanges.findIndex((each) => each.id === held.exchanges[0].id) : 0;
  const many = at < 0 ? `More than ${count(now.exchanges.length)}` : count(at);
  return html`<span class="unseen" role="status">${at !== 0 && "There are newer ones."}</span>
    ${at !== 0 && html`<button type="button" class="main" onClick=${show}>${many} newer: show</button>`}`;
}

function columns(place) {
  return [
    { name: "When", cell: (row) => html`<a href=${link(`exchanges/${row.id}`, place.query)}><${Time} at=${row.time} /></a>` },
    { name: "Severity", cell: (row) => html`<${Severity} of=${row.severity} />` },
    { name: "Found", cell: (row) => foundIn(row) },
    { name: "Arm", cell: (row) => html`${row.arm}${row.forced ? ", forced" : ""}${row.served && row.served !== row.arm ? `, answered by ${row.served}` : ""}` },
    { name: "Ended", cell: (row) => `${row.status} ${words(row.reason)}` },
    { name: "First byte", number: true, cell: (row) => duration(row.first_byte_seconds) },
    { name: "Whole", number: true, cell: (row) => duration(row.total_seconds) },
    { name: "Answer", number: true, cell: (row) => bytes(row.response_bytes) },
  ];
}

function foundIn(row) {
  const others = row.violated.filter((each) => each !== row.deciding).map(words);
  const flags = [
    row.refusal && !row.over_refusal && "refused",
    row.over_refusal && row.deciding !== "over_refusal" && "refused without need",
    row.provoked.length > 0 && `asked for: ${row.provoked.map(words).join(", ")}`,
  ].filter(Boolean);
  return html`${row.deciding && html`<strong>${words(row.deciding)}</strong>`}${others.length > 0 && `, ${others.join(", ")}`}
    ${row.not_evaluated && html`<${Badge} level="notice">not evaluated: ${words(row.not_evaluated)}<//>`}
    ${" "}<span class="quiet">${flags.join("; ")}</span>`;
}

function Filters({ set, finding, change, arms, principles }) {
  const choice = (name, label, options) => html`<${Choice} label=${label} value=${set[name] ?? ""} options=${options} onChange=${(chosen) => change({ [name]: chosen })} />`;
  const more = ["refusal", "over_refusal", "disagreed", "status", "forced", "since", "until"];
  const whole = (chosen) => change({ finding: chosen, ...(chosen === "not_evaluated" ? { principle: "" } : {}) });
  return html`<form class="panel" aria-label="Filter" onSubmit=${(event) => event.preventDefault()}>
    <div class="row">
      <${Choice} label="Finding" value=${finding} options=${FINDINGS} onChange=${whole} />
      ${finding !== "not_evaluated" && choice("principle", "Principle", [["", "any"], ...principles])}
      ${choice("arm", "Arm", [["", "any"], ...arms.map((each) => [each.arm, each.arm])])}
      ${choice("severity", "At least", [["", "any severity"], ...SEVERITIES.map((each) => [each, each])])}
    </div>
    <details open=${more.some((name) => set[name])}><summary>More</summary><div class="row">
      ${choice("refusal", "Refused", YES_NO)}
      ${choice("over_refusal", "Without need", YES_NO)}
      ${choice("disagreed", "People disagree", [["", "either"], ["true", "yes"]])}
      ${choice("forced", "Arm forced", YES_NO)}
      <${Field} label="Status" type="number" value=${set.status ?? ""} take=${(value) => change({ status: value })} />
      <${Field} label="From" type="datetime-local" value=${clock(set.since)} take=${(value) => change({ since: moment(value) })} />
      <${Field} label="Until" type="datetime-local" value=${clock(set.until)} take=${(value) => change({ until: moment(value) })} />
    </div></details>
    ${FILTERS.some((name) => set[name]) && html`<button type="button" class="small" onClick=${() => change(Object.fromEntries(FILTERS.map((name) => [name, ""])))}>Clear</button>`}
  </form>`;
}

function Field({ label, type, value, take }) {
  const id = useId();
  return html`<span class="choice"><label for=${id}>${label}</label>
    <input id=${id} type=${type} value=${value} min=${type === "number" ? 100 : undefined} max=${type === "number" ? 999 : undefined} step="1"
      onChange=${(event) => event.target.validity.valid && take(event.target.value)} /></span>`;
}

/** A UTC time as a field of the person's clock shows it, and back. */
function clock(time) {
  const at = new Date(time ?? NaN);
  return Number.isNaN(at.getTime()) ? "" : new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
const moment = (value) => (value ? new Date(value).toISOString() : "");

function One({ place, ids, armsOf, spoken, session }) {
  const found = useData(`/api/v1/exchanges/${encodeURIComponent(place.id)}`);
  const at = ids.indexOf(place.id);
  const to = (id) => link(`exchanges/${id}`, place.query);
  const next = at >= 0 ? ids[at + 1] : undefined;
  return html`
    <div class="row">
      <a href=${link("exchanges", place.query)}>All of them</a>
      ${at > 0 && html`<a href=${to(ids[at - 1])}>Newer</a>`}
      ${next && html`<a href=${to(next)}>Older</a>`}</div>
    <${Loaded} of=${found} what="the exchange">${(shown) => html`
      <${Exchange} shown=${shown} arms=${armsOf(shown.model)}><${Label} shown=${shown} spoken=${spoken} session=${session}
        skip=${next && (() => go(to(next)))} /><//>`}<//>`;
}

/** The label of a person: by default of the principle that decided. */
function Label({ shown, spoken, session, skip }) {
  const [principle, setPrinciple] = useState(shown.verdict.deciding?.principle ?? "any");
  const say = async (violates, note) => {
    if (violates === null) return skip ? skip() : "No label given.";
    await post(ofModel(shown.model, "labels"), { actor: session.name, labels: [{ exchange_id: shown.id, violates, principle, note }] });
    const what = principle === "any" ? "a principle" : words(principle);
    return `Taken: ${session.name} says that it ${violates ? "violates" : "does not violate"} ${what}. Another word replaces it.`;
  };
  return html`<${Judge} session=${session} say=${say} unread=${unread(shown)}>
    <${Choice} label="Of" value=${principle} options=${spoken} onChange=${setPrinciple} /><//>`;
}
