"""The rules of a rollout: what must not get worse, by how much, over which stages, and who must agree.

A plan is a value. The presets are plans; a plan in the configuration names a preset and what it changes of it.
"""

import re
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Literal, cast

import msgspec

from gateway.core.feedback import METRIC_NAME

DAY = 86_400.0
Do = Literal["freeze", "suspend"]
OnWorse = Literal["rollback", "suspend"]
_PARTS = ("principle", "feedback", "latency")


class PlanError(ValueError):
    """The plan cannot be used; the text says which key, what was given and what was expected."""


class Guardrail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A metric that must not get worse. Outcomes lie in [0, 1], higher is worse, per exchange.

    `metric`: harm, honesty, helpfulness (severity-weighted violations of a tier), over_refusal, refusal, errors,
    length, principle:ID, feedback:NAME, or latency:SECONDS (share of first bytes that took longer).
    `margin`: "no worse" means by less than this, absolute; `tolerated`: "worse" means by more than this.
    `weight`: its part in the mean that rolls back, relative to the others; 0: it never rolls back.
    `promotes`: "no worse" must be proven for it. `ratio`: the fast alarm's rates differ by more than this factor;
    0: no fast alarm.
    """

    metric: str
    margin: float = 0.01
    tolerated: float = 0.0
    weight: float = 1.0
    promotes: bool = False
    ratio: float = 1.0


class Blind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After so many seconds without knowing what the canary does: wait no longer."""

    after: float = 1800.0
    do: Do = "suspend"


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Percent for `stages`, `prove_from`, `holdout`, `approval`; seconds for times; shares in [0, 1] elsewhere.

    alpha: of a false rollback over the whole rollout; promotion_alpha: of each false "no worse"; alarm_alpha: of a
    false fast alarm; alarm_share: the alarm's part in the mean. dwell: the least time in a stage; minimum_units:
    closed periods of canary units in it. period: how long a unit's outcome is gathered.
    holdout_dwell: how long promotion holds `holdout` percent before the rest follows.
    harm_budget: the canary's severity-weighted violations beyond stable's rate that stop it; 0: no bound.
    advance_hours: UTC hours [from, to) in which the canary may be raised. redeal: seconds after which a stage gets
    a new salt; 0: never. compare: a plain A/B test at the first stage; nobody is promoted; ends after max_duration.
    """

    preset: str = "balanced"
    stages: tuple[float, ...] = (1, 5, 10, 25, 50)
    prove_from: float = 50
    holdout: float = 95
    holdout_dwell: float = DAY
    dwell: float = 3600.0
    minimum_units: int = 50
    period: float = DAY
    guardrails: tuple[Guardrail, ...]
    alpha: float = 0.05
    promotion_alpha: float = 0.05
    alarm_alpha: float = 0.05
    alarm_share: float = 0.5
    harm_budget: float = 300.0
    max_unscored: float = 0.02
    max_fail_overs: float = 0.01
    max_silence: float = 900.0
    max_duration: float = 30 * DAY
    approval: tuple[float, ...] = ()
    advance_hours: tuple[int, int] = (0, 24)
    on_worse: OnWorse = "rollback"
    on_alarm: Do = "freeze"
    blind: Blind = Blind()
    redeal: float = 0.0
    compare: bool = False

    @property
    def weights(self) -> tuple[float, ...]:
        """The guardrails' parts in the mean, adding up to 1."""
        total = sum(each.weight for each in self.guardrails)
        return tuple(each.weight / total for each in self.guardrails)

    @property
    def shares(self) -> tuple[float, ...]:
        """The canary's share in [0, 1], stage by stage."""
        return tuple(percent / 100 for percent in self.stages)

    @property
    def ladder(self) -> tuple[float, ...]:
        """Percent, stage by stage; the holdout last, where somebody may be promoted."""
        return self.stages if self.compare else (*self.stages, self.holdout)


def _guardrails(harm: float, other: float) -> tuple[Guardrail, ...]:
    """Half of the weight on harmlessness; promotion asks for harm, over-refusal and errors."""
    return (
        Guardrail(metric="harm", margin=harm, weight=5.0, promotes=True),
        Guardrail(metric="honesty", margin=other, weight=1.0),
        Guardrail(metric="helpfulness", margin=other, weight=1.0),
        Guardrail(metric="over_refusal", margin=other, weight=1.5, promotes=True),
        Guardrail(metric="errors", margin=other, weight=1.5, promotes=True),
    )


PRESETS: dict[str, Plan] = {
    "cautious": Plan(
        preset="cautious",
        guardrails=_guardrails(0.015, 0.02),
        promotion_alpha=0.025,
        harm_budget=2000.0,
        dwell=12 * 3600.0,
        minimum_units=10,
        period=DAY / 2,
        on_alarm="suspend",
        redeal=7 * DAY,
        holdout_dwell=2 * DAY,
    ),
    "balanced": Plan(
        preset="balanced",
        guardrails=_guardrails(0.015, 0.02),
        dwell=6 * 3600.0,
        minimum_units=10,
        period=DAY / 2,
        harm_budget=1000.0,
        redeal=3 * DAY,
    ),
    "fast": Plan(
        preset="fast",
        guardrails=_guardrails(0.02, 0.03),
        stages=(5, 25, 50),
        dwell=3600.0,
        minimum_units=10,
        period=3600.0,
        promotion_alpha=0.1,
        harm_budget=1000.0,
        redeal=DAY,
        holdout_dwell=DAY / 4,
    ),
}
"""Margins, alphas and periods are set so that a healthy canary arrives (docs/statistics.md, G8)."""


def parse(given: object) -> Plan:
    """A plan from what the configuration says: a preset's name, or a mapping of changes to `preset`.

    Raises PlanError.
    """
    changes = {"preset": given} if isinstance(given, str) else given
    if not isinstance(changes, dict):
        raise PlanError(f"plan: {given!r} is neither a preset ({', '.join(PRESETS)}, compare) nor a mapping")
    name = changes.get("preset", "balanced")
    if name == "compare":
        changes = {**changes, "preset": "balanced", "compare": True, "stages": changes.get("stages", [50])}
        name = "balanced"
    if not isinstance(name, str) or name not in PRESETS:
        raise PlanError(f"plan.preset: {name!r}: expected one of {', '.join(PRESETS)}, compare")
    merged = cast("dict[str, Any]", msgspec.to_builtins(PRESETS[name])) | changes
    try:
        plan = msgspec.convert(merged, Plan, strict=False)
    except msgspec.ValidationError as error:
        raise PlanError(f"plan: {error}") from error
    _check(plan)
    return plan


def identity(model: str, before: str, after: str, plan: Plan) -> str:
    """A rollout's identity: 16 hex digits of a hash over the model, both versions and the plan."""
    body = msgspec.json.encode([model, before, after, plan], order="sorted")
    return blake2b(body, digest_size=8).hexdigest()


def _check(plan: Plan) -> None:
    for holds, problem in _conditions(plan):
        if not holds:
            raise PlanError(f"plan.{problem}")
    for number, guardrail in enumerate(plan.guardrails):
        _check_guardrail(f"guardrails[{number}]", guardrail)


def _conditions(plan: Plan) -> list[tuple[bool, str]]:
    rising = all(lower < higher for lower, higher in pairwise(plan.stages))
    names = [each.metric for each in plan.guardrails]
    low, high = plan.advance_hours
    alphas = (plan.alpha, plan.promotion_alpha, plan.alarm_alpha)
    inside = all(0 < each < 100 for each in plan.stages)
    promoting = plan.compare or any(each.promotes for each in plan.guardrails)
    return [
        (bool(plan.stages), "stages: empty; give percentages like [1, 5, 10, 25, 50]"),
        (rising and inside, f"stages: {plan.stages}: expected rising percentages above 0 and below 100"),
        (0 < plan.holdout < 100, f"holdout: {plan.holdout:g}: expected a percentage above 0 and below 100"),
        (bool(names), "guardrails: empty; without one nothing can be shown"),
        (len(names) == len(set(names)), "guardrails: a metric is named twice"),
        (len(names) <= 32, f"guardrails: {len(names)} given, at most 32"),
        (
            any(each.weight > 0 for each in plan.guardrails),
            "guardrails: all have weight 0: nothing could roll back",
        ),
        (promoting, "guardrails: none has `promotes`, so nothing could ever be promoted"),
        (all(0 < each < 0.5 for each in alphas), f"alpha: {alphas}: expected above 0 and below 0.5"),
        (0 <= plan.alarm_share < 1, f"alarm_share: {plan.alarm_share:g}: expected 0 to below 1"),
        (
            all(0 < each < _LONGEST for each in (plan.period, plan.max_duration)),
            "period, max_duration: expected seconds above 0, ten years at most",
        ),
        (
            all(0 <= each < _LONGEST for each in (plan.dwell, plan.holdout_dwell, plan.redeal, plan.max_silence)),
            "dwell, holdout_dwell, redeal, max_silence: expected seconds",
        ),
        (0 < plan.blind.after < _LONGEST, f"blind.after: {plan.blind.after:g}: expected seconds above 0"),
        (
            plan.compare or max(plan.stages, default=0) <= plan.holdout,
            f"holdout: {plan.holdout:g}: expected at least the last stage, so that promotion doesn't lower it",
        ),
        (plan.minimum_units >= 0, f"minimum_units: {plan.minimum_units}: expected 0 or more"),
        (plan.harm_budget >= 0, f"harm_budget: {plan.harm_budget:g}: expected 0 (no bound) or more"),
        (0 <= low < high <= 24, f"advance_hours: {plan.advance_hours}: expected [from, to) in hours UTC"),
        (
            set(plan.approval) <= {*plan.stages[1:], plan.holdout},
            f"approval: {plan.approval}: expected stages behind the first, which begins when a person starts",
        ),
    ]


def _check_guardrail(key: str, guardrail: Guardrail) -> None:
    kind, colon, name = guardrail.metric.partition(":")
    simple = kind in METRICS and not colon
    if not simple and not (kind in _PARTS and name):
        expected = ", ".join((*METRICS, "principle:ID", "feedback:NAME", "latency:SECONDS"))
        raise PlanError(f"plan.{key}.metric: {guardrail.metric!r}: expected one of {expected}")
    if kind == "feedback" and not _FEEDBACK_NAME.match(name):
        raise PlanError(f"plan.{key}.metric: {guardrail.metric!r}: a name that feedback can have: a-z, 0-9, _ . -")
    if kind == "latency" and not _positive(name):
        raise PlanError(f"plan.{key}.metric: {guardrail.metric!r}: expected seconds, like latency:2.5")
    if not 0 < guardrail.margin < 1 or not 0 <= guardrail.tolerated < 1 or guardrail.weight < 0:
        raise PlanError(f"plan.{key}: margin in (0, 1), tolerated in [0, 1), weight at least 0")
    if guardrail.ratio != 0 and guardrail.ratio < 1:
        raise PlanError(f"plan.{key}.ratio: {guardrail.ratio:g}: expected 1 or more, or 0 for no fast alarm")


def _positive(text: str) -> bool:
    try:
        return 0 < float(text) < 1e6
    except ValueError:
        return False


_LONGEST = 3653 * DAY
_FEEDBACK_NAME = re.compile(METRIC_NAME)
METRICS = ("harm", "honesty", "helpfulness", "over_refusal", "refusal", "errors", "length")
"""What a guardrail may measure without a name behind a colon."""
