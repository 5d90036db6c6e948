// Is anything lost: the account of every stream, who reads how far behind, and what answers upstream.
import { html } from "../react.js";
import { useData } from "../live.js";
import { link } from "../router.js";
import { ActionButton, Badge, Empty, Facts, Loaded, Notice, Panel, Quoted, Table, Time, barred, number, post } from "../ui.js";
import { bytes, count, duration, share, visible, words } from "../format.js";

export default function Pipeline({ model, live, session }) {
  const mark = live?.marks.pipeline;
  return html`
    <${Loaded} of=${useData("/api/v1/ledger", mark)} what="the ledger">${({ streams }) => html`<${Ledger} streams=${streams} />`}<//>
    <${Loaded} of=${useData("/api/v1/status", mark)} what="the status">${(shown) => html`<${Upstream} of=${shown} />
      <div class="grid"><${Proxies} of=${shown} /><${Processes} of=${shown} /></div>`}<//>
    <${Loaded} of=${useData("/api/v1/pipeline", mark)} what="the pipeline">${(shown) => html`<${Reading} of=${shown} />
      <div class="grid"><${Agreement} rows=${shown.agreement} model=${model} /><${Relays} rows=${shown.relays} /></div>`}<//>
    <${Configuration} of=${useData("/api/v1/config", mark)} session=${session} />`;
}

const total = (values) => values.reduce((sum, each) => sum + each, 0);
const reasons = (of) => Object.entries(of).filter(([, many]) => many).map(([why, many]) => `${count(many)} ${words(why)}`).join(", ");
const Bad = ({ of, when = of }) => (when ? html`<strong class="sign bad">■ ${of}</strong>` : of);
const Lines = ({ of }) => html`<ul>${of.map((each) => html`<li>${visible(each)}</li>`)}</ul>`;

function Ledger({ streams }) {
  const rows = streams.flatMap((stream) => {
    const readers = Object.entries(stream.consumers);
    return (readers.length ? readers : [[null, {}]]).map(([reader, side], at) => ({ ...side, reader, stream: at ? null : stream }));
  });
  const once = (cell) => ({ stream }) => stream && cell(stream);
  const columns = [
    { name: "Stream", cell: once((stream) => html`<strong>${stream.stream}</strong>`) },
    number("Started", once((stream) => count(stream.started))),
    number("= in flight", once((stream) => count(stream.in_flight))),
    number("+ dropped", once(({ dropped }) => html`<${Bad} of=${count(total(Object.values(dropped)))} when=${reasons(dropped)} />
      <div class="quiet">${reasons(dropped)}</div>`)),
    number("+ appended", once((stream) => count(stream.appended))),
    { name: "Adds up", cell: once((stream) => html`<${Badge} level=${stream.balanced ? "ok" : "bad"}>${stream.balanced ? "yes" : "no"}<//>`) },
    { name: "Read by", cell: (row) => row.reader ?? html`<span class="quiet">nobody: it is kept</span>` },
    number("Delivered", "delivered"),
    number("+ spooled", "spooled"),
    number("+ lost", (row) => html`<${Bad} of=${count(row.lost)} when=${row.lost > 0} />`),
  ];
  return html`<${Panel} title="The ledger" aside="started = in flight + dropped + appended; for each reader, appended = delivered + spooled + lost">
    <${Sentence} streams=${streams} />
    <${Table} caption="The ledger of every stream" columns=${columns} rows=${rows} empty="No stream has been written yet." /><//>`;
}

/** The whole ledger in a sentence. */
function Sentence({ streams }) {
  const of = (name) => total(streams.map((stream) => stream[name]));
  const read = (name) => total(streams.flatMap((stream) => Object.values(stream.consumers)).map((side) => side[name]));
  const [lost, spooled, dropped] = [read("lost"), read("spooled"), total(streams.flatMap((stream) => Object.values(stream.dropped)))];
  const off = streams.filter((stream) => !stream.balanced).map((stream) => stream.stream);
  const first = off.length ? `The ledger does not add up in ${off.join(", ")}: something was counted twice, or not at all.`
    : lost || dropped ? "Not everything arrived, but all of it is accounted for." : "Nothing is lost.";
  return html`<${Notice} level=${off.length || lost || dropped ? "bad" : spooled ? "notice" : "ok"} still><strong>${first}</strong>
    ${" "}Of ${count(of("started"))} events that were started, ${count(of("appended"))} are kept, ${count(of("in_flight"))} are in flight and
    ${" "}${count(dropped)} were dropped; ${spooled ? `${count(spooled)} wait to be read` : "none waits to be read"} and ${count(lost)} were lost on the way.<//>`;
}

function Upstream({ of }) {
  const rows = of.proxies.flatMap((proxy) => proxy.arms.flatMap((arm) => arm.endpoints.map((each) => ({ ...arm, ...each, process: proxy.process }))));
  const returns = (row) => of.ejected.find((each) => ["process", "model", "arm", "url"].every((key) => each[key] === row[key]))?.returns_at;
  const columns = [
    { name: "Arm", cell: (row) => html`<strong>${row.arm}</strong> <span class="quiet">${row.model}</span>` },
    { name: "Endpoint", cell: (row) => html`<code>${visible(row.url)}</code>` },
    { name: "Health", text: true, cell: (row) => (row.healthy ? html`<${Badge} level="ok">healthy<//>` : html`<${Badge} level="bad">gets no traffic<//>
      ${" "}${visible(row.ejected_for)}${returns(row) && html`, tried again <${Time} at=${returns(row)} />`}`) },
    number("In flight", "in_flight"),
    { name: "Serves", cell: (row) => visible(row.served_models.join(", ")) || "not known" },
    { name: "Server version", cell: (row) => visible(row.server_version) || "not known" },
    { name: "Seen by", cell: (row) => row.process },
  ];
  return html`<${Panel} title="Upstream, per arm">
    <${Table} caption="Endpoints per arm" columns=${columns} rows=${rows} empty="No proxy has said anything yet." /><//>`;
}

function Proxies({ of }) {
  const state = (row) => (row.stale ? ["bad", "silent"] : row.draining ? ["notice", "draining"] : row.ready ? ["ok", "ready"] : ["bad", "not ready"]);
  const columns = [
    { name: "Proxy", cell: (row) => html`${row.process} <span class="quiet">${row.address}</span>` },
    { name: "State", cell: (row) => html`<${Badge} level=${state(row)[0]}>${state(row)[1]}<//>` },
    number("Heard", (row) => `${duration(row.age_seconds)} ago`),
    number("Routing table", (row) => html`<${Bad} of=${row.behind ? `${row.table_version}, not ${of.table.version}` : row.table_version} when=${row.behind} />`),
  ];
  return html`<${Panel} title="Proxies"><${Table} caption="What each proxy said last" columns=${columns} rows=${of.proxies} empty="No proxy runs." /><//>`;
}

const Processes = ({ of }) => html`<${Panel} title="Processes" aside="tipstaff ${of.version}">
  <ul class="chips">${of.processes.map((each) => html`<li>${each.name} <${Badge} level=${each.up ? "ok" : "bad"}>${each.up ? "runs" : "down"}<//></li>`)}</ul>
  ${of.warnings.length > 0 && html`<h3>Warnings</h3><${Lines} of=${of.warnings} />`}<//>`;

function Reading({ of }) {
  const { scorer, storage } = of;
  const columns = [
    { name: "Classifier", cell: (row) => html`${row.name} <code>${row.version}</code>` },
    number("Evaluated", "evaluated"),
    { name: "Scored without it", cell: (row) => reasons(row.not_evaluated) || "0" },
    number("Half within", (row) => duration(row.p50_seconds)),
    number("95 % within", (row) => duration(row.p95_seconds)),
  ];
  return html`<${Panel} title="Reading the answers">
    <${Facts} of=${[
      ["Scorers", html`<${Bad} of=${scorer.processes ? count(scorer.processes) : "none runs"} when=${!scorer.processes} />`, "Processes that evaluate answers"],
      ["Behind by", scorer.lag_seconds === null ? "not known" : duration(scorer.lag_seconds), "Age of the oldest answer that is not evaluated yet"],
      ["Evaluated", count(scorer.scored)],
      ["Not evaluated", reasons(of.not_evaluated) || "0", "And why"],
      ["Disk used", bytes(storage?.used_bytes), "By the data folder"],
      ["Disk free", bytes(storage?.free_bytes)],
    ]} />
    <${Table} caption="What each classifier has done" columns=${columns} rows=${of.evaluators} empty="No classifier has evaluated anything yet." /><//>`;
}

function Agreement({ rows, model }) {
  const columns = [
    { name: "Principle", cell: (row) => html`<a href=${link("exchanges", { model, principle: row.principle === "any" ? "" : row.principle, disagreed: true })}>
      ${row.principle}</a>` },
    number("Labelled", "labelled"),
    number("Agreed", (row) => (row.labelled ? share(row.agreed / row.labelled) : "–")),
    number("Missed", "missed"),
    number("False alarms", "false_alarms"),
  ];
  return html`<${Panel} title="Classifiers and people" aside=${html`<a href=${link("review", { model })}>Label some</a>`}>${rows.length
    ? html`<${Table} caption="Agreement with people, per principle" columns=${columns} rows=${rows} />`
    : html`<${Empty} title="No labels yet">Once people have labelled exchanges, this says how often the classifiers agreed with them.<//>`}<//>`;
}

function Relays({ rows }) {
  const columns = [
    { name: "To", cell: (row) => html`${visible(row.target)} <span class="quiet">${row.stream}</span>` },
    number("Behind", (row) => html`<${Bad} of=${row.lag_seconds === null ? "no relay runs" : duration(row.lag_seconds)} when=${row.lag_seconds === null} />`),
    number("Delivered", "delivered"),
    number("Spooled", "spooled"),
    number("Lost", (row) => html`<${Bad} of=${count(row.lost)} when=${row.lost > 0} />`),
  ];
  return html`<${Panel} title="Relays">
    <${Table} caption="What each relay has done" columns=${columns} rows=${rows} empty="None is configured: events are kept here only." /><//>`;
}

function Configuration({ of, session }) {
  const act = async () => {
    await post("/api/v1/config/reload", {});
    of.reload();
  };
  const again = html`<${ActionButton} label="Read it again" title="Read the configuration again" kept="" barred=${barred(session, "change")} act=${act}
    why="The file is taken whole, or refused and nothing is changed. No client's request fails for it; this page may wait a second or two." />`;
  return html`<${Panel} title="Configuration in force" aside=${again}><${Loaded} of=${of} what="the configuration">${(shown) => html`
    ${shown.refused.length > 0 && html`<${Notice} level="bad"><strong>
      The file was refused at <${Time} at=${shown.tried} />: what was in force before still is.</strong>
      <${Lines} of=${shown.refused} /><//>`}
    <p><code>${visible(shown.source)}</code>, in force since <${Time} at=${shown.since} />, last read <${Time} at=${shown.tried} /></p>
    <${Lines} of=${shown.notes} />
    <details><summary>Every key that is set; secrets are not shown</summary><${Quoted} text=${JSON.stringify(shown.settings, null, 2)} /></details>`}<//><//>`;
}
