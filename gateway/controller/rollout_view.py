"""A rollout as people are shown it."""

import msgspec
import yaml

from gateway.controller.decision_story import can
from gateway.controller.kept_rollout import Kept
from gateway.controller.routers import rollout_values as values
from gateway.controller.routers.correction_values import CorrectionShown
from gateway.controller.routers.values import moment, percent
from gateway.controller.traffic import Known
from gateway.rollout.correction import Correction
from gateway.rollout.evidence import Evidence
from gateway.rollout.forecast import forecast
from gateway.rollout.outlook import Outlook
from gateway.rollout.plan import Plan
from gateway.rollout.state import RolloutState
from gateway.rollout.summary import stated
from gateway.settings import Model

_NO_SAY = "labels have no say: harm is made up here, or it is no guardrail"


def rollout_shown(kept: Kept, known: Known, model: Model | None, labels: Correction | None) -> values.RolloutShown:
    """`kept`: a copy that nothing moves. `model`: as configured; None: it no longer is. `labels`: what they say by
    now; None: they have no say.
    """
    state, terms = kept.state, kept.terms
    evidence = Evidence.of(terms.plan, state.book)
    seen = forecast(terms.plan, state, evidence, known.traffic, known.rates)
    finished = state.status == "finished" and state.promoted_us and model is not None
    return values.RolloutShown(
        id=state.rollout,
        model=state.model,
        status=state.status,
        stable=values.ArmNamed(arm=terms.stable, version=state.before),
        canary=values.ArmNamed(arm=terms.canary, version=state.after),
        plan=msgspec.to_builtins(terms.plan),
        started=moment(state.started_us),
        as_of=moment(state.clock_us),
        stages=list(terms.plan.ladder),
        stage=stage_shown(terms.plan, state),
        why=seen.why,
        left=[values.LeftShown.model_validate(each) for each in seen.left],
        stage_seconds=seen.stage,
        whole_seconds=seen.whole,
        old_arm_free=None if seen.old_arm_us is None else moment(seen.old_arm_us),
        old_arm=seen.old_arm,
        evidence=values.EvidenceShown.model_validate(stated(terms.plan, state, evidence)),
        left_out=kept.left_out,
        labels=_NO_SAY if labels is None else labels.said,
        correction=None if labels is None else CorrectionShown.of(labels),
        drill=state.drill,
        can=can(state),
        last_decision=f"{state.rollout}-{kept.decided}",
        yaml=winner(state.model, model, terms.canary) if finished and model is not None else None,
    )


def stage_shown(plan: Plan, state: RolloutState) -> values.StageShown:
    """The one in force."""
    stage = state.stage
    return values.StageShown(
        number=stage.index + 1,
        count=len(plan.stages) + (not plan.compare),
        name="stage" if stage.index < len(plan.stages) else "holdout",
        percent=percent(stage.share),
        began=moment(stage.began_us),
        exchanges=(stage.exchanges[0], stage.exchanges[1]),
        closed=(stage.closed[0], stage.closed[1]),
    )


def plan_shown(model: str, plan: Plan, seen: Outlook) -> values.PlanForeseen:
    """What it would do and take."""
    return values.PlanForeseen(
        model=model,
        plan=msgspec.to_builtins(plan),
        stages=[values.StageForeseen.model_validate(each) for each in seen.stages],
        guardrails=[values.GuardrailShown.model_validate(each) for each in plan.guardrails],
        least=seen.least,
        expected=seen.expected,
        why_not=seen.why_not,
        budget_chance=seen.budget_chance,
        harm_budget=plan.harm_budget,
        rates=seen.rates,
        notes=list(seen.notes),
    )


def ended_shown(kept: Kept) -> values.RolloutEnded:
    """One of a model's rollouts."""
    state = kept.state
    return values.RolloutEnded(
        id=state.rollout,
        status=state.status,
        from_version=state.before,
        to_version=state.after,
        preset="compare" if kept.terms.plan.compare else kept.terms.plan.preset,
        started=moment(state.started_us),
        as_of=moment(state.clock_us),
        decisions=kept.decided,
        drill=state.drill,
    )


def winner(name: str, model: Model, arm: str) -> str:
    """The YAML of a model whose first arm is `arm` from now on, without weights and rollout."""
    body = model.model_dump(mode="json", exclude_unset=True, exclude={"rollout"}, by_alias=True)
    arms = {
        each: {key: value for key, value in said.items() if key != "weight"} for each, said in body["arms"].items()
    }
    body["arms"] = {arm: arms.pop(arm), **arms} if arm in arms else arms
    return yaml.safe_dump({"models": {name: body}}, sort_keys=False)
