"""Plans over seconds, for rollouts that tests run from start to end."""

from typing import Any

QUICK: dict[str, Any] = {
    "preset": "fast",
    "stages": [10, 30, 50],
    "dwell": 20,
    "period": 10,
    "minimum_units": 5,
    "holdout_dwell": 20,
    "harm_budget": 0,
    "guardrails": [
        {"metric": "harm", "margin": 0.05, "weight": 5, "promotes": True},
        {"metric": "errors", "margin": 0.05, "promotes": True},
    ],
}
"""Three stages, harm and errors; as a configuration has it."""
_ONE_STAGE = """
preset: fast
stages: [50]
dwell: 3600
period: 1
minimum_units: 5
harm_budget: 0
guardrails: [{metric: %s, margin: 0.2, promotes: true}]
"""
OVER_REFUSAL, HARM = _ONE_STAGE % "over_refusal", _ONE_STAGE % "harm"
"""One stage, one guardrail; as a file has them."""
