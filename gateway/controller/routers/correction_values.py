"""What the API says of people's labels in a rollout."""

from math import log10
from typing import Any, Self

from pydantic import Field

from gateway.controller.routers.values import Answer
from gateway.rollout.correction import DRIFT_ALPHA, Correction

_NEEDS = log10(1 / DRIFT_ALPHA)
_ESTIMATE = {"value": 0.02, "low": 0.016, "high": 0.025}
_ARM = {
    "flagged": 0.02,
    "rate": _ESTIMATE,
    "sensitivity": {"value": 0.8, "low": 0.71, "high": 0.87},
    "specificity": {"value": 0.99, "low": 0.985, "high": 0.994},
    "rogan_gladen": 0.013,
}
CORRECTION: dict[str, Any] = {
    "veto": "",
    "said": "1020 labels: true violations differ by +0.10 points (-0.62 to +0.81)",
    "labels": 1020,
    "needed": 900,
    "stable": _ARM,
    "canary": _ARM,
    "difference": {"value": 0.001, "low": -0.0062, "high": 0.0081},
    "drift": [-0.4, 0.2],
    "drift_needs": _NEEDS,
}


class EstimateShown(Answer):
    """A share, and its 95 % interval for one look."""

    value: float
    low: float
    high: float


class ArmRatesShown(Answer):
    """One arm. `flagged`: share that the classifiers flag; `rate`: of true violations, what labels make of it.

    `sensitivity`, `specificity`: the classifiers' here. `rogan_gladen`: the rate if they erred as in both arms.
    """

    flagged: float
    rate: EstimateShown
    sensitivity: EstimateShown
    specificity: EstimateShown
    rogan_gladen: float


class CorrectionShown(Answer):
    """`veto`: why promotion waits; empty: labels say nothing against it. `difference`: of true rates, canary minus
    stable. Null: some of arm and flag has no label. `drift`: e-values, as log10, for "sensitivity differs between
    the arms" and "specificity differs".
    """

    veto: str
    said: str
    labels: int
    needed: int | None = Field(description="About how many hold the difference against the margin")
    stable: ArmRatesShown | None
    canary: ArmRatesShown | None
    difference: EstimateShown | None
    drift: tuple[float, float]
    drift_needs: float = Field(description="Log10 of the mean of both at which it is found")

    @classmethod
    def of(cls, found: Correction) -> Self:
        """As it is, and what drift needs."""
        values = {name: getattr(found, name) for name in found.__struct_fields__}
        return cls.model_validate({**values, "drift_needs": _NEEDS})
