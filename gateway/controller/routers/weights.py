"""How a model's units are split, and an operator's word on it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.controller.problems import Problem, not_found
from gateway.controller.rollouts import Rollouts
from gateway.controller.routers.values import Answer, example, moment, percent, problems, refusals
from gateway.controller.routers.who import Who
from gateway.controller.tables import Tables
from gateway.core.routing import DecidedBy, RoutingTable

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False, strict=True)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Weights(Answer):
    """The split in force. `decided_by` safety: the state was lost, and arms wait at 0 for an operator."""

    model_config = example(
        model="assistant",
        weights={"stable": 75.0, "canary": 25.0},
        decided_by="operator",
        decided_at="2026-03-01T12:00:00.000125Z",
        reason="no harm seen at 10 %",
        store_id="019cab1f3c6a7f4b8d2e6a90c1b2d3e4",
        table_epoch=1,
        table_version=4,
    )

    model: str
    weights: dict[str, float] = Field(description="Percent of units by arm, the baseline first")
    decided_by: DecidedBy
    decided_at: datetime
    reason: str
    store_id: str
    table_epoch: int
    table_version: int


class WeightsWanted(BaseModel):
    """An operator's word. The first arm takes what the others leave; arms left out get 0."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"weights": {"canary": 25}, "reason": "no harm seen at 10 %"}]},
    )

    weights: dict[str, Percent] = Field(min_length=1, description="Percent of units by arm")
    reason: Reason = Field(description="Why; kept in the decision")
    expected_version: int | None = Field(
        default=None, ge=0, description="Only if the table still has this version; else 409"
    )


def weights_router(tables: Tables, rollouts: Rollouts) -> APIRouter:
    """Read and set the split of one model; names like org/model are written as they are."""
    router = APIRouter(prefix="/api/v1/models", tags=["weights"])

    @router.get("/{model:path}/weights", summary="A model's weights", responses=problems(404))
    def read(model: str) -> Weights:
        """The weights in force, who decided them and why."""
        return _weights(tables.current(), model)

    @router.put("/{model:path}/weights", summary="Set a model's weights", responses=refusals(404, 409))
    def write(model: str, wanted: WeightsWanted, who: Who) -> Weights:
        """Set the weights as the operator. Every proxy acts on it within a second; it outlives restarts.

        409 while a rollout of the model runs: its weights are the rollout's, and it has words of its own.
        """
        shares = {arm: value / 100 for arm, value in wanted.weights.items()}
        try:
            table = rollouts.set_weights(model, shares, wanted.reason, who.name, wanted.expected_version)
        except ValueError as error:
            raise Problem(422, "weights", "These weights cannot be", str(error)) from error
        return _weights(table, model)

    return router


def _weights(table: RoutingTable, model: str) -> Weights:
    route = table.models.get(model)
    if route is None:
        raise not_found("model", f"{model!r}: there are {', '.join(sorted(table.models))}")
    return Weights(
        model=model,
        weights={share.arm: percent(share.weight) for share in route.arms},
        decided_by=route.decided_by,
        decided_at=moment(route.decided_at_us),
        reason=route.reason,
        store_id=table.store_id,
        table_epoch=table.epoch,
        table_version=table.version,
    )
