// Starting a rollout: which arm, by which plan, and what that would take at this traffic.
import { html, useEffect, useState } from "./react.js";
import { ofModel } from "./api.js";
import { ActionButton, Choice, Facts, Notice, barred, post } from "./ui.js";
import { duration, percent, share } from "./format.js";

const PLANS = [["cautious", "cautious"], ["balanced", "balanced"], ["fast", "fast"], ["compare", "compare two arms"]];

/** `of`: the model as `live` shows it. */
export function StartButton({ of, session }) {
  const others = of.arms.slice(1);
  const [to, setTo] = useState(others[0]?.arm ?? "");
  const [plan, setPlan] = useState("balanced");
  const bar = barred(session, "change") || (others.length ? "" : "There is only one arm: add another to the configuration.");
  return html`<${ActionButton} label="Start a rollout" title="Start a rollout: ${of.model}" barred=${bar}
    why="The arm gets the plan's first share of the users; it goes on, or back, by evidence."
    act=${(reason) => post(ofModel(of.model, "rollout"), { to, plan, reason })}>
    <div class="row">
      <${Choice} label="To" value=${to} options=${others.map((each) => [each.arm, `${each.arm} ${each.version}`])} onChange=${setTo} />
      <${Choice} label="Plan" value=${plan} options=${PLANS} onChange=${setPlan} />
    </div>
    <${Foreseen} model=${of.model} plan=${plan} /><//>`;
}

function Foreseen({ model, plan }) {
  const [found, setFound] = useState({});
  useEffect(() => {
    let current = true;
    post(ofModel(model, "rollout/plan"), { plan }).then((seen) => current && setFound({ seen }), (error) => current && setFound({ error }));
    return () => {
      current = false;
    };
  }, [model, plan]);
  if (found.error) return html`<${Notice}>${found.error.message}<//>`;
  if (!found.seen) return html`<p class="quiet">Working out what it would take …</p>`;
  const { seen } = found;
  return html`<${Facts} of=${[
    ["Stages", seen.stages.map((stage) => percent(stage.percent)).join(", ")],
    ["Takes at least", duration(seen.least)],
    ["Expected", seen.expected === null ? "does not finish" : duration(seen.expected), "For a canary that is as good as stable, at last week's traffic"],
    ["A healthy canary uses up the harm budget", share(seen.budget_chance), "How probable that is"],
  ]} />
  ${seen.why_not && html`<${Notice}>${seen.why_not}<//>`}
  ${seen.notes.map((note) => html`<p class="quiet">${note}</p>`)}`;
}
