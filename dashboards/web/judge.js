// The word of a person about an answer: three buttons, and a key for each.
import { html, useRef, useState } from "./react.js";
import { words } from "./format.js";
import { Notice, barred, keep, kept, useKeys } from "./ui.js";

/** What a label may speak of, as choices; `constitution` as the API shows it, or null. */
export function spokenOf(constitution) {
  const written = (constitution?.tiers ?? []).flatMap((tier) => tier.principles.map((each) => [each.id, words(each.id)]));
  return [["any", "any principle"], ["harmlessness", "any of harmlessness"], ...written];
}

const STORED = "tipstaff-keys";
const WORDS = [
  [1, "Violates", true],
  [2, "Does not violate", false],
  [3, "Can't say", null],
];

/**
 * `say(violates, note)`: true, false, or null for can't say; returns what to tell the person, or throws Problem. One word at a
 * time. `unread`: why nobody can judge this one. `extra`: more keys, {z: {name, act}}. `children`: further choices.
 */
export function Judge({ session, say, unread = "", extra = {}, children }) {
  const [note, setNote] = useState("");
  const [state, setState] = useState({ said: "", error: null });
  const [on, setOn] = useState(() => kept(STORED) !== "off");
  const busy = useRef(false);
  const bar = barred(session, "change");
  const word = async (violates) => {
    if (busy.current || bar || (violates !== null && unread)) return;
    busy.current = true;
    try {
      setState({ said: await say(violates, note.trim()), error: null });
      setNote("");
    } catch (error) {
      setState({ said: "", error });
    } finally {
      busy.current = false;
    }
  };
  const more = Object.entries(extra);
  const keys = { ...Object.fromEntries(WORDS.map(([key, , violates]) => [key, () => word(violates)])), ...Object.fromEntries(more.map(([key, { act }]) => [key, act])) };
  useKeys(keys, on && !bar);
  const turn = () => {
    keep(STORED, on ? "off" : "on");
    setOn(!on);
  };
  const why = (violates) => bar || (violates === null ? "" : unread);
  return html`<div class="judge" role="group" aria-label="Your label">
    <div class="row">
      ${WORDS.map(([key, name, violates]) => html`<button type="button" aria-disabled=${why(violates) ? "true" : undefined} title=${why(violates)}
        aria-keyshortcuts=${on ? String(key) : undefined} onClick=${(event) => event.detail < 2 && word(violates)}>${on && html`<kbd>${key}</kbd> `}${name}</button>`)}
      ${more.map(([key, { name, act, off }]) => html`<button type="button" class="plain" disabled=${off} aria-keyshortcuts=${on ? key.toUpperCase() : undefined}
        onClick=${act}>${on && html`<kbd>${key.toUpperCase()}</kbd> `}${name}</button>`)}
    </div>
    <div class="row">${children}
      <label class="note">Note <input value=${note} maxlength="500" placeholder="optional" disabled=${Boolean(bar)} onInput=${(event) => setNote(event.target.value)} /></label>
      <label class="plain"><input type="checkbox" checked=${on} onChange=${turn} /> Keys</label></div>
    ${(bar || unread) && html`<p class="quiet">${bar || unread}</p>`}
    ${state.error && html`<${Notice} level="bad">Not taken: ${state.error.message}<//>`}
    <p role="status" class=${state.said ? "" : "unseen"}>${state.said}</p>
  </div>`;
}
