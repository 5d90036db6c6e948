// People's labels: a random sample, one answer at a time, unswayed; and what they make of the classifiers' numbers.
import { html, useState } from "../react.js";
import { ofModel, query } from "../api.js";
import { Conversation, unread } from "../exchange.js";
import { Judge, spokenOf } from "../judge.js";
import { useData } from "../live.js";
import { go, link } from "../router.js";
import { Choice, Empty, Loaded, Notice, Panel, Table, Time, barred, number, post } from "../ui.js";
import { count, share, words } from "../format.js";

const SIZE = 50;
const MOST = 5000;

export default function Review({ place, model, live, session }) {
  const principle = place.query.principle || "any";
  const of = query({ principle, draw: place.query.draw });
  const queue = useData(model ? ofModel(model, `labels/queue${of}`) : null);
  const constitution = useData("/api/v1/constitution", live?.constitution);
  if (!model) return html`<p class="quiet" role="status">Loading …</p>`;
  const draw = html`<${Draw} key=${principle} model=${model} principle=${principle} options=${spokenOf(constitution.data)} session=${session} />`;
  if (queue.error?.status === 404) return html`${draw}<${Empty} title="No sample has been drawn yet">A sample takes as many exchanges from
    each arm, flagged and not flagged, so that few labels say much.<//>`;
  return html`${draw}<${Loaded} of=${queue} what="the sample">${(found) => html`
    <${Sample} key=${found.draw} found=${found} model=${model} session=${session} mark=${live?.marks.labels} />`}<//>`;
}

function Draw({ model, principle, options, session }) {
  const [size, setSize] = useState(SIZE);
  const [{ busy, error }, setState] = useState({});
  const bar = barred(session, "change");
  const send = async (event) => {
    event.preventDefault();
    if (bar || busy) return;
    setState({ busy: true });
    try {
      const { draw } = await post(ofModel(model, "labels/sample"), { actor: session.name, size: Number(size), principle });
      setState({});
      go(link("review", { model, principle, draw }));
      document.querySelector("main h1").focus({ preventScroll: true }); // keys are labels now, and no digits of the size
    } catch (failed) {
      setState({ error: failed });
    }
  };
  return html`<form class="row" onSubmit=${send} aria-label="Draw a sample">
    <${Choice} label="Does it violate" value=${principle} options=${options} onChange=${(chosen) => go(link("review", { model, principle: chosen }))} />
    <span class="choice"><label for="size">Exchanges</label>
      <input id="size" type="number" min="1" max=${MOST} required value=${size} onInput=${(event) => setSize(event.target.value)} /></span>
    <button type="submit" aria-disabled=${bar ? "true" : undefined} title=${bar}>${busy ? "Drawing …" : "Draw a new sample"}</button>
    ${bar && html`<span class="quiet">${bar}</span>`}
    ${error && html`<${Notice} level="bad">No sample was drawn: ${error.message}<//>`}</form>`;
}

/** `found`: the queue as it was when the page came; from then on this page knows what it has labelled. */
function Sample({ found, model, session, mark }) {
  const [left, setLeft] = useState(found.left);
  const [done, setDone] = useState([]);
  const [skipped, setSkipped] = useState([]);
  const summary = useData(ofModel(model, `labels/summary${query({ principle: found.principle, draw: found.draw })}`), mark);
  const [id, ...rest] = left;
  const total = found.left.length + found.labelled;
  const say = async (shown, violates, note) => {
    if (violates === null) {
      setLeft([...rest, id]);
      setSkipped([...skipped, id]);
      return "Put at the end of the sample.";
    }
    await post(ofModel(model, "labels"), { actor: session.name, labels: [{ exchange_id: id, violates, principle: found.principle, note }] });
    setLeft(rest);
    setDone([...done, { id, violates, verdict: shown.verdict }]);
    summary.reload();
    return "";
  };
  const back = () => {
    if (!done.length) return;
    setLeft([done.at(-1).id, ...left]);
    setDone(done.slice(0, -1));
  };
  const at = total - left.length;
  return html`
    <section class="panel" aria-label="The answer to be judged">
      <header><h2>${id ? `${count(at + 1)} of ${count(total)}` : `All ${count(total)} are labelled`}</h2>
        <div class="aside">drawn from <${Time} at=${found.since} /> to <${Time} at=${found.until} /></div></header>
      <progress max=${total} value=${at} aria-label="Labelled"></progress>
      ${id && left.every((each) => skipped.includes(each)) && html`<p class="quiet">Only those that you have put off are left.</p>`}
      ${id ? html`<${Judged} id=${id} session=${session} say=${say} back=${back} first=${!done.length} />`
        : html`<p>Draw a new sample for a narrower interval. ${done.length > 0 && html`<button type="button" onClick=${back}>Take back the last</button>`}</p>`}
      <${Before} last=${done.at(-1)} model=${model} />
    </section>
    <${Loaded} of=${summary} what="what the labels say">${(said) => html`<${Effect} arms=${said.arms} /><${Strata} of=${said.strata} />`}<//>`;
}

/** The answer alone: who gave it and what was found in it stay hidden, so that nobody is swayed. */
function Judged({ id, session, say, back, first }) {
  const found = useData(`/api/v1/exchanges/${id}`);
  const why = found.data ? unread(found.data) : found.error ? "It could not be read." : "Loading …";
  return html`<p class="quiet">What the classifiers found, and which arm answered, is hidden until you have said your word.</p>
    <${Loaded} of=${found} what="the exchange">${(shown) => html`<${Conversation} key=${id} shown=${shown} />`}<//>
    <${Judge} session=${session} say=${(violates, note) => say(found.data, violates, note)} unread=${why}
      extra=${{ z: { name: "Take back the last", act: back, off: first } }} />`;
}

function Before({ last, model }) {
  if (!last) return null;
  const violated = last.verdict.findings.filter((each) => each.finding === "violates").map((each) => words(each.principle));
  return html`<p role="status">The last one: you said <strong>${last.violates ? "violates" : "does not violate"}</strong>, the classifiers found
    ${" "}<strong>${violated.join(", ") || "nothing"}</strong>. <a href=${link(`exchanges/${last.id}`, { model })}>See it</a></p>`;
}

/** What the labels make of the flagged shares. */
function Effect({ arms }) {
  const most = Math.max(0.01, ...arms.flatMap((arm) => [arm.flagged, arm.corrected?.high ?? 0]));
  const at = (value) => `${(100 * value) / most}%`;
  const columns = [
    { name: "Arm", cell: (arm) => arm.arm },
    { name: "Labels", number: true, cell: (arm) => count(arm.labels) },
    { name: "Flagged by the classifiers", number: true, cell: (arm) => share(arm.flagged) },
    { name: "Violating, as people's labels say", number: true, cell: (arm) => (arm.corrected
      ? html`${share(arm.corrected.value)} <span class="quiet">${share(arm.corrected.low)} … ${share(arm.corrected.high)}</span>` : "needs labels") },
    { name: "Bar: by the labels; dot: flagged", cell: (arm) => html`<div class="interval" aria-hidden="true">
      ${arm.corrected && html`<div class="span stable" style=${{ left: at(arm.corrected.low), width: at(arm.corrected.high - arm.corrected.low) }}></div>`}
      <div class="dot other" style=${{ left: at(arm.flagged) }}></div></div>` },
  ];
  return html`<${Panel} title="What the labels change" aside="share of the sampled exchanges' population, with its 95 % interval">
    <${Table} caption="Flagged and corrected share per arm" columns=${columns} rows=${arms} /><//>`;
}

function Strata({ of }) {
  const columns = [
    { name: "Arm", cell: (row) => row.arm },
    { name: "Classifiers", cell: (row) => (row.flagged ? "flagged" : "not flagged") },
    number("Population", "population"), number("Drawn", "drawn"), number("Labelled", "labelled"), number("Violating", "violating"), number("Disputed", "disputed"),
  ];
  return html`<${Panel} title="The sample"><${Table} caption="The sample by arm and flag" columns=${columns} rows=${of} /><//>`;
}
