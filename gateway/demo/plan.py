"""How long each part of the story takes, how much traffic there is, and by which rules users are moved."""

from typing import Any

import msgspec

from gateway.demo.asking import Traffic


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. `rollout`: the rules by which users are moved; `said`: what to tell of them.
    `before`: everyone is on stable.

    `turn`: after so long in the rollout the canary answers worse, and by `deadline` it must have been rolled back.
    None: what the models say means nothing, and at `deadline` an operator ends it. `after`: traffic goes on with
    the canary at 0. `settle`: at most that long until nothing is on its way any more.
    """

    traffic: Traffic
    rollout: dict[str, Any]
    said: str
    turn: float | None
    before: float = 3.0
    deadline: float = 100.0
    after: float = 4.0
    settle: float = 30.0

    @property
    def longest(self) -> float:
        """All the seconds for which users may come."""
        return self.before + self.deadline + self.after + 10.0


TURN_SECONDS = 62.0
"""When the simulated canary turns worse, counted from the start of the rollout: in its second minute."""

ROLLOUT: dict[str, Any] = {
    "preset": "fast",
    "stages": [10, 30, 50],
    "dwell": 28,
    "period": 4,
    "minimum_units": 5,
    "holdout_dwell": 600,
    "harm_budget": 0,
    "alpha": 0.01,
    "alarm_alpha": 0.02,
    "alarm_share": 0.2,
    "guardrails": [
        {"metric": "harm", "margin": 0.2, "weight": 4, "promotes": True},
        {"metric": "honesty", "margin": 0.2},
        {"metric": "helpfulness", "margin": 0.2},
        {"metric": "over_refusal", "margin": 0.2, "promotes": True},
        {"metric": "errors", "margin": 0.2, "promotes": True},
    ],
}
"""Seconds where a real plan has hours, and margins that a real one would not have: so that it can be watched.

False alarms are rare, and the alarm has little say in the mean: it comes first and the mean confirms it, each time.
"""

SIMULATED = Plan(
    traffic=Traffic(rate=40.0, fresh=0.25),
    rollout=ROLLOUT,
    said="its plan is SCALED DOWN so that it can be watched: 10, 30, 50 % of the users for 28 s each, where a real "
    "one takes hours, and margins of 20 points, where a real one has 2 or 3",
    turn=TURN_SECONDS,
)
VLLM = Plan(
    traffic=Traffic(rate=2.0, users=40, max_tokens=16),
    rollout={**ROLLOUT, "stages": [30], "dwell": 600},
    said="its plan gives the canary 30 % of the users, for 10 minutes at least",
    turn=None,
    before=10.0,
    deadline=25.0,
    after=8.0,
    settle=60.0,
)
