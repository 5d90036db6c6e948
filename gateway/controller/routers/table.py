"""The routing table, for gateways that follow this controller."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from gateway.controller.routers.values import Answer, example, problems
from gateway.controller.tables import Tables
from gateway.core.routing import DecidedBy, RoutingTable

_LOOK_SECONDS = 0.05
_LONGEST = 60.0


class Share(Answer):
    """An arm and its share of all units, in [0, 1]."""

    arm: str
    weight: float


class Route(Answer):
    """How one model's units are split; `salt` in base64. The first arm is the baseline."""

    salt: str
    arms: list[Share]
    decided_by: DecidedBy
    decided_at_us: int
    reason: str


class Table(Answer):
    """A routing table. Within a store a later (epoch, version) replaces an earlier one, and no other."""

    model_config = example(
        store_id="019cab1f3c6a7f4b8d2e6a90c1b2d3e4",
        epoch=1,
        version=4,
        models={
            "assistant": {
                "salt": "c2FsdA==",
                "arms": [{"arm": "stable", "weight": 0.75}, {"arm": "canary", "weight": 0.25}],
                "decided_by": "operator",
                "decided_at_us": 1772366400000125,
                "reason": "no harm seen at 10 %",
            }
        },
        unit_key="0f1e2d3c4b5a6978",
    )

    store_id: str
    epoch: int
    version: int
    models: dict[str, Route]
    unit_key: str


_ANSWERS = problems(422, 503) | {204: {"description": "Nothing changed in that time"}}


def table_router(tables: Tables, unit_key: Callable[[], str], ending: asyncio.Event) -> APIRouter:
    """Follow it by long poll. `unit_key`: the fingerprint of the key in use; `ending`: set when nobody may wait."""
    router = APIRouter(prefix="/api/v1/table", tags=["table"])

    @router.get("", summary="The routing table", responses=_ANSWERS, response_model=Table)
    async def read(
        store_id: Annotated[str, Query(description="Of the table at hand")] = "",
        epoch: Annotated[int, Query(ge=0, description="Of the table at hand")] = 0,
        version: Annotated[int, Query(ge=0, description="Of the table at hand")] = 0,
        wait: Annotated[float, Query(ge=0, le=_LONGEST, description="Seconds, while it is still the same")] = 0.0,
    ) -> Response:
        """The table in force, as soon as it is another than the one at hand; 204 when `wait` is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while (table := tables.latest) is None or _place(table) == (store_id, epoch, version):
            if ending.is_set() or loop.time() >= end:
                return Response(status_code=HTTPStatus.NO_CONTENT)
            await asyncio.sleep(_LOOK_SECONDS)
        return Response(_encoded(table, await asyncio.to_thread(unit_key)), media_type="application/json")

    return router


def _place(table: RoutingTable) -> tuple[str, int, int]:
    return table.store_id, table.epoch, table.version


def _encoded(table: RoutingTable, unit_key: str) -> bytes:
    return msgspec.json.encode({**msgspec.to_builtins(table), "unit_key": unit_key})
