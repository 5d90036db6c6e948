"""A rollout's JSON as the API gives it, for screens."""

from typing import Any

NOW = "2026-03-02T09:00:00+00:00"
_ALL = ["suspend", "freeze", "rollback", "promote", "approve"]


def rates(mean: float, periods: int = 1200) -> dict[str, Any]:
    return {"periods": periods, "mean": mean, "low": max(mean - 0.01, 0.0), "high": mean + 0.01}


def row(guardrail: str, worse: float = -0.2, *, promotes: bool = False) -> dict[str, Any]:
    return {
        "guardrail": guardrail,
        "weight": 0.2,
        "promotes": promotes,
        "stable": rates(0.012),
        "canary": rates(0.034),
        "low": 0.005,
        "high": 0.039,
        "worse": worse,
        "alarm": worse / 2,
        "no_worse": -0.4,
        "no_worse_needs": 1.0,
        "not_evaluated": [0.0, 0.0],
        "firsts": [{"stable": 40, "canary": 5, "due": 4.5}, {"stable": 20, "canary": 31, "due": 12.75}],
    }


def evidence(guardrails: int = 5) -> dict[str, Any]:
    names = ["harm", "honesty", "helpfulness", "over_refusal", "errors"]
    names += [f"principle:no_{number}" for number in range(guardrails - 5)]
    return {
        "rows": [
            row(name, 2.0 if name == "harm" else -0.2, promotes=name == "harm") for name in names[:guardrails]
        ],
        "mean": 1.6,
        "needs": 1.30103,
        "alarm": 1.2,
        "alarm_needs": 1.30103,
        "mismatch": -0.5,
        "mismatch_needs": 3.0,
        "units": [12004, 1310],
        "budget_spent": 3.2,
        "budget": 50.0,
    }


def detail(kind: str, *, status: str = "running", can: list[str] | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A decision of rollout 5f3a1c0e9b7d2468 of `assistant`: the API's DecisionDetail."""
    after = more.pop("after", {"stable": 75.0, "canary": 25.0})
    made = {
        "number": 12,
        "id": "5f3a1c0e9b7d2468-4",
        "time": "2026-03-02T08:00:00Z",
        "model": "assistant",
        "kind": kind,
        "actor": more.pop("actor", "tipstaff"),
        "reason": more.pop("reason", "the reason of it"),
        "before": more.pop("before", {"stable": 75.0, "canary": 25.0}),
        "after": after,
        "rollout": more.pop("rollout", "5f3a1c0e9b7d2468"),
        "stage": more.pop("stage", 3),
        "drill": more.pop("drill", 0.0),
    }
    story = {
        "began": "2026-02-27T12:00:00Z",
        "held_since": "2026-03-01T06:00:00Z",
        "replaced_by": None,
        "replaced_at": None,
        "status": status,
        "can": _ALL if can is None else can,
        "stages": [1, 5, 10, 25, 50, 95],
        "stage_percent": 25.0,
        "plan": "balanced",
        "preceding": None,
        "first_arm": "stable",
        "period": 43_200.0,
        "undo_until": None,
    } | more.pop("story", {})
    return {
        "decision": made,
        "rests_on": {
            "stable": "v1",
            "canary": "v2",
            "plan": "{}",
            "constitution": "be9e49e4a398" * 5,
            "classifiers": "rules=1",
        },
        "evidence": evidence(),
        "exchanges": [],
        "labels": "",
        "watermark": None,
        "story": story,
    } | more
