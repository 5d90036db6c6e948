"""How long each part of the story takes, how much traffic there is, and by which rules it is moved."""

from typing import Any

import msgspec

from gateway.demo.asking import Traffic


class Plan(msgspec.Struct, frozen=True):
    """Seconds and percent. `compares`: whether what the models say means something.

    `calm`: at `first_percent`, before the operator goes to `raised_percent`. `watch`: at most that long, until
    the canary is seen to be worse. `after`: traffic goes on with the canary at 0. `settle`: at most that long
    until nothing is on its way any more.
    """

    traffic: Traffic
    compares: bool = True
    first_percent: float = 10.0
    raised_percent: float = 30.0
    calm: float = 10.0
    watch: float = 45.0
    after: float = 5.0
    settle: float = 30.0

    @property
    def longest(self) -> float:
        """All the seconds for which users may come."""
        return self.calm + self.watch + self.after + 10.0


TURN_SECONDS = 62.0
"""When the simulated canary turns worse, counted from the start of the rollout: in its second minute."""

ROLLOUT: dict[str, Any] = {
    "preset": "fast",
    "stages": [10, 30, 50],
    "dwell": 25,
    "period": 4,
    "minimum_units": 5,
    "holdout_dwell": 600,
    "harm_budget": 0,
    "alarm_alpha": 0.02,
    "guardrails": [
        {"metric": "harm", "margin": 0.2, "weight": 4, "promotes": True},
        {"metric": "honesty", "margin": 0.2},
        {"metric": "helpfulness", "margin": 0.2},
        {"metric": "over_refusal", "margin": 0.2, "promotes": True},
        {"metric": "errors", "margin": 0.2, "promotes": True},
    ],
}
"""Seconds where a real plan has hours, and margins that a real one would not have: so that it can be watched."""

SIMULATED = Plan(Traffic(rate=40.0, fresh=0.25))
VLLM = Plan(
    Traffic(rate=2.0, users=40, max_tokens=16), compares=False, calm=20.0, watch=20.0, after=8.0, settle=60.0
)
