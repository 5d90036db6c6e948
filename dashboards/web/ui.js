// The parts that pages are made of.
import { html, useEffect, useId, useRef, useState } from "./react.js";
import { link } from "./router.js";
import { ask } from "./api.js";
import { count, local, utc, visible } from "./format.js";

const SHAPES = { ok: "✓", notice: "▲", bad: "■", none: "○" };
const MEANS = { ok: "fine", notice: "look here", bad: "act", none: "nothing" };

/** One of the three answers at the top: a shape and a word for its level, never a colour alone. */
export const Lamp = ({ name, lamp }) => html`
  <div class="lamp ${lamp.level}" role="group" aria-label=${name}>
    <span class="shape" role="img" aria-label=${MEANS[lamp.level]}>${SHAPES[lamp.level]}</span>
    <span class="what">${name}</span>
    <span class="said">${visible(lamp.said)}</span>
  </div>`;

/** A word with a level's shape. */
export const Badge = ({ level = "none", children }) => html`
  <span class="badge ${level}"><span aria-hidden="true">${SHAPES[level]}</span> ${children}</span>`;

/** Something to be read now; role alert for what went wrong. `still`: it changes all the time, so nothing is read out. */
export const Notice = ({ level = "notice", still, children }) => html`
  <div class=${level} role=${still ? undefined : level === "bad" ? "alert" : "status"}>${children}</div>`;

/** A time as the person's clock shows it, UTC on hover. */
export const Time = ({ at }) => (at ? html`<time datetime=${at} title=${utc(at)}>${local(at)}</time>` : "–");

export const Empty = ({ title, children }) => html`<div class="empty"><h2>${title}</h2><p>${children}</p></div>`;

/** An exchange by the end of its id, which differs; its beginning is a time. */
export const ExchangeLink = ({ id, model }) => html`<a class="mono entry" href=${link(`exchanges/${id}`, { model })} title=${id}><span
  class="unseen">exchange </span>…${id.slice(-8)}</a>`;

/** Named sentences: [[name, what is said], ...]; those that say nothing are left out. */
export const Told = ({ of }) => html`
  <dl class="told">${of.filter(([, said]) => said).map(([name, said]) => html`<dt>${name}</dt><dd>${said}</dd>`)}</dl>`;

/** What `useData` found: loading, failed, or `children(data)`; old data stays under a failure. 409: it is kept elsewhere. */
export function Loaded({ of, what, children }) {
  if (of.error?.status === 409) return html`<${Notice}>${of.error.message}<//>`;
  if (of.loading) return html`<p class="quiet" role="status">Loading ${what} …</p>`;
  const failed = of.error && html`<${Notice} level="bad">
    <p><strong>${what[0].toUpperCase()}${what.slice(1)} could not be read${of.data ? " again" : ""}.</strong> ${of.error.message}</p>
    <button type="button" onClick=${of.reload}>Try again</button><//>`;
  return html`${failed}${of.data && children(of.data)}`;
}

/** A titled part of a page. */
export const Panel = ({ title, aside, children, id }) => html`
  <section class="panel" aria-label=${title} id=${id}>
    <header><h2>${title}</h2>${aside && html`<div class="aside">${aside}</div>`}</header>
    ${children}
  </section>`;

/** Named numbers: [[name, value, hint], ...]. */
export const Facts = ({ of }) => html`
  <dl class="facts">${of.map(([name, value, hint]) => html`
    <div title=${hint}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/** Rows under columns {name, cell(row), number, text}; a row's `id` keeps its place. `caption` is for screen readers unless `shown`. */
export const Table = ({ caption, columns, rows, shown, empty = "Nothing here." }) => html`
  <div class="scroll" role="region" aria-label=${caption} tabindex="0"><table>
    <caption class=${shown ? "" : "unseen"}>${caption}</caption>
    <thead><tr>${columns.map((column) => html`<th scope="col" class=${column.number ? "number" : ""}>${column.name}</th>`)}</tr></thead>
    <tbody>
      ${rows.map((row) => html`<tr key=${row.id} class=${row.mark || ""}>${columns.map((column) => html`
        <td class=${column.number ? "number" : column.text ? "text" : ""}>${column.cell(row)}</td>`)}</tr>`)}
      ${!rows.length && html`<tr><td colspan=${columns.length} class="quiet">${empty}</td></tr>`}
    </tbody>
  </table></div>`;

/** A labelled choice. `options`: [value, words] pairs. */
export function Choice({ label, value, options, onChange }) {
  const id = useId();
  return html`<span class="choice"><label for=${id}>${label}</label>
    <select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${options.map(([key, words]) => html`<option value=${key} selected=${key === value}>${words}</option>`)}
    </select></span>`;
}

/** A column of numbers: a key of the row, or what makes the cell. */
export const number = (name, of) => ({ name, number: true, cell: typeof of === "function" ? of : (row) => count(row[of]) });

/** Why somebody may not; empty: they may. */
export function barred(session, right) {
  if (!session || session.rights.includes(right)) return "";
  const needs = { change: "an operator", text: "an auditor or an operator", audit: "an auditor or an operator" }[right];
  return `Needs ${needs}: you are signed in as ${session.name} (${session.role}).`;
}

/**
 * A button that asks for a reason before it acts. `why`: what will happen, in words. `barred`: why it can't be pressed now; it
 * stays focusable and says so. `act(reason)` may throw Problem, which is shown in the dialog. `kept`: where the reason goes; empty: none is asked for.
 */
export function ActionButton({ label, title, why, barred: bar = "", danger, act, children, kept = "in the decision" }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const press = () => !bar && setOpen(true);
  return html`<span class="action">
    <button type="button" class=${danger ? "danger" : ""} aria-disabled=${bar ? "true" : undefined} title=${bar}
      aria-describedby=${bar ? id : undefined} onClick=${press}>${label}</button>
    ${bar && html`<span class="unseen" id=${id}>${bar}</span>`}
    ${open && html`<${Confirm} label=${label} title=${title || label} why=${why} danger=${danger} act=${act} kept=${kept}
      close=${() => setOpen(false)}>${children}<//>`}
  </span>`;
}

function Confirm({ label, title, why, danger, act, kept, close, children }) {
  const [reason, setReason] = useState("");
  const [state, setState] = useState({ busy: false, error: null });
  const dialog = useRef(null);
  const id = useId();
  useEffect(() => dialog.current.showModal(), []);
  const send = async (event) => {
    event.preventDefault();
    setState({ busy: true, error: null });
    try {
      await act(reason.trim());
      dialog.current?.close(); // gives the focus back, which taking it off the page would not
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return html`<dialog ref=${dialog} onClose=${close} aria-labelledby="${id}t">
    <form onSubmit=${send}>
      <h2 id="${id}t">${title}</h2>
      <p>${why}</p>
      ${children}
      ${kept && html`<label for="${id}r">Reason (kept ${kept})</label>
      <textarea id="${id}r" rows="2" maxlength="2000" required value=${reason} onInput=${(event) => setReason(event.target.value)}></textarea>`}
      ${state.error && html`<${Notice} level="bad">${state.error.message}<//>`}
      <div class="row">
        <button type="submit" class=${danger ? "danger" : "main"} disabled=${state.busy || (kept && !reason.trim())}>
          ${state.busy ? "Working …" : label}</button>
        <button type="button" onClick=${() => dialog.current.close()}>Cancel</button>
      </div>
    </form>
  </dialog>`;
}

/** A POST to the API as an action. */
export const post = (path, body) => ask(path, { method: "POST", body });

/**
 * Text from outside: shown as it is, whatever it holds; long text `most` characters at a time, so that a megabyte does not stop
 * the page. `span`: [start, end] of what is marked, where the reading begins.
 */
export function Quoted({ text, most = 10_000, span = null, kind = "" }) {
  const [at, setAt] = useState(span ? Math.floor(span[0] / most) : 0);
  const [from, to] = [at * most, Math.min(text.length, (at + 1) * most)];
  const within = (place) => Math.max(from, Math.min(place, to));
  const [start, end] = span ? span.map(within) : [to, to];
  const turn = (step, name, off) => html`<button type="button" class="small" disabled=${off} onClick=${() => setAt(at + step)}>${name}</button>`;
  return html`<pre class="quoted ${kind}" dir="auto" tabindex="0">${visible(text.slice(from, start))}${end > start
      && html`<mark>${visible(text.slice(start, end))}</mark>`}${visible(text.slice(end, to))}</pre>
    ${text.length > most && html`<div class="row">${turn(-1, "Before", !at)}${turn(1, "After", to === text.length)}
      <span class="quiet" role="status">characters ${count(from + 1)} to ${count(to)} of ${count(text.length)}</span></div>`}`;
}

export const SEVERITIES = ["low", "medium", "high", "critical"];
const GRAVE = { critical: "bad", high: "bad", medium: "notice", low: "none" };

/** How grave it is; a dash where nothing was found. */
export const Severity = ({ of }) => (of ? html`<${Badge} level=${GRAVE[of]}>${of}<//>` : "–");

/** What this browser was told to remember; nothing where it may keep nothing. */
export function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Remember it, where that is allowed. */
export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // it is good until the page is left
  }
}

const TWICE_MS = 300;

/**
 * Single keys: useKeys({1: act, z: back}). They wait while somebody types, chooses or confirms, or when `on` is false; a key that
 * is held, or bounces, counts once.
 */
export function useKeys(keys, on = true) {
  const current = useRef(keys);
  current.current = on ? keys : {};
  useEffect(() => {
    let last = { key: "", timeStamp: 0 };
    const pressed = (event) => {
      const act = current.current[event.key?.toLowerCase()];
      const other = event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]");
      if (!act || other || event.target.closest?.("input:not([type=checkbox]), textarea, select")) return;
      event.preventDefault();
      const twice = event.key === last.key && event.timeStamp - last.timeStamp < TWICE_MS;
      last = event;
      if (!twice) act();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
