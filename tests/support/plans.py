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
OVER_REFUSAL = """
preset: fast
stages: [50]
dwell: 3600
period: 1
minimum_units: 5
harm_budget: 0
guardrails: [{metric: over_refusal, margin: 0.2, promotes: true}]
"""
"""One stage, over-refusals; as a file has it."""
