// The split of the users as a bar of 100 %, and how arms are drawn wherever they are.
import { html } from "./react.js";
import { percent } from "./format.js";

/** stable, canary or other: the arm's part in `rollout` ({from, to}), where there was one; else its place among `arms`. */
export function kindOf(arms, rollout, arm) {
  const [stable, canary] = rollout ? [rollout.from.arm, rollout.to.arm] : arms.map((each) => each.arm);
  return arm === canary ? "canary" : arm === stable ? "stable" : "other";
}

/** An arm's share of the users each, the canary first; `stages` (percent) are marked below, and `at` (percent) as a place. */
export function Buckets({ arms, rollout, stages = [], at }) {
  const drawn = arms.map((each) => ({ ...each, kind: kindOf(arms, rollout, each.arm) }));
  const ordered = [...drawn.filter((each) => each.kind === "canary"), ...drawn.filter((each) => each.kind !== "canary")];
  const said = arms.map((each) => `${each.arm} ${percent(each.weight)}`).join(", ");
  return html`<div>
    <div class="buckets" role="img" aria-label=${`Share of users: ${said}`}>${ordered.map((each) => html`
      <div class="arm ${each.kind}" style=${{ flexGrow: each.weight, flexBasis: 0 }} title="${each.arm}: ${percent(each.weight)}"></div>`)}</div>
    ${(stages.length > 0 || at !== undefined) && html`<div class="ticks" aria-hidden="true">
      ${stages.map((stage) => html`<${Tick} at=${stage}>${percent(stage)}<//>`)}
      ${at !== undefined && html`<${Tick} at=${at}>here<//>`}</div>`}
    <p>${ordered.map((each) => html`<span class="entry"><span class="swatch ${each.kind}"></span><strong>${each.arm}</strong>${" "}
      ${each.version} has ${percent(each.weight)} of the users</span>${"  "}`)}</p>
  </div>`;
}

/** A line at `at` percent, with words beside it: on its left where there is no room on its right. */
const Tick = ({ at, children }) => html`<span class=${at > 85 ? "before" : ""} style=${{ left: `${at}%` }}>${children}</span>`;
