"""What the evidence says, in words: the guardrail and the test that speak loudest, with their counts."""

import numpy as np

from gateway.core.evidence import FirstViolations
from gateway.rollout.evidence import Evidence
from gateway.rollout.plan import Plan
from gateway.rollout.wording import bound, e_value


def loudest(plan: Plan, evidence: Evidence) -> tuple[str, str]:
    """Of the mean that rolls back: the guardrail that adds most to it, and by what counts."""
    test, place = np.unravel_index(evidence.parts().argmax(), (2, len(plan.guardrails)))
    if test:
        return _alarmed(plan, evidence, int(place))
    canary, stable = (evidence.mean_of(int(place), arm).mean for arm in (True, False))
    return plan.guardrails[place].metric, f"{canary:.1%} of it on the canary, {stable:.1%} on stable"


def alarmed(plan: Plan, evidence: Evidence) -> tuple[str, str]:
    """Of the fast alarm's mean: the same."""
    return _alarmed(plan, evidence, int(evidence.alarm_parts().argmax()))


def proven(plan: Plan, evidence: Evidence) -> str:
    """For which guardrails "no worse" is shown, and how clearly at the least."""
    values = evidence.no_worse()
    asked = [place for place, each in enumerate(plan.guardrails) if each.promotes]
    names = ", ".join(plan.guardrails[place].metric for place in asked)
    return f"{names} (E {e_value(min(values[place] for place in asked))} at the least; {_proof(plan)} was needed)"


def unproven(plan: Plan, evidence: Evidence) -> str:
    """For which guardrails it is not, and how far each has come; empty: for none."""
    missing = evidence.unproven()
    if not missing:
        return ""
    values = evidence.no_worse()
    names = ", ".join(f"{plan.guardrails[place].metric} (E {e_value(values[place])})" for place in missing)
    return f"{names}; each needs {_proof(plan)}, counted anew in this stage"


def _proof(plan: Plan) -> str:
    return bound(1 / plan.promotion_alpha)


def _alarmed(plan: Plan, evidence: Evidence, place: int) -> tuple[str, str]:
    firsts = evidence.firsts(place)
    counts = "first violations come too often" if firsts is None else _counted(*firsts)
    return plan.guardrails[place].metric, counts


def _counted(before: FirstViolations, now: FirstViolations) -> str:
    """How many first violations were the canary's, and how many would be if it were as good as stable."""
    counts = f"{now.canary} of {now.stable + now.canary} first violations"
    said = f"in this stage {counts} were the canary's ({now.due:.1f} if it were equal)"
    earlier = before.stable + before.canary
    return f"{said}, before it {before.canary} of {earlier} ({before.due:.1f})" if earlier else said
