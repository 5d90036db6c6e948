"""The account of every stream: nothing is lost without a count."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter

from gateway.controller.routers.values import Answer, example, problems
from gateway.events.ledger import Ledger
from gateway.events.schema import Stream


class Delivered(Answer):
    """One consumer's side: appended = delivered + spooled + lost."""

    delivered: int
    spooled: int
    lost: int


class StreamLedger(Answer):
    """One stream: started = in_flight + dropped + appended."""

    stream: Stream
    started: int
    in_flight: int
    dropped: dict[str, int]
    appended: int
    consumers: dict[str, Delivered]
    balanced: bool
    settled: bool


class LedgerShown(Answer):
    """Every stream's. `balanced`: no event is counted twice or out of nothing."""

    model_config = example(
        streams=[
            {
                "stream": "exchanges",
                "started": 1000,
                "in_flight": 2,
                "dropped": {"crash": 1},
                "appended": 997,
                "consumers": {"scorer-0": {"delivered": 990, "spooled": 7, "lost": 0}},
                "balanced": True,
                "settled": False,
            }
        ],
        balanced=True,
    )

    streams: list[StreamLedger]
    balanced: bool


def ledger_router(ledgers: Callable[[], Mapping[Stream, Ledger]]) -> APIRouter:
    """Read it."""
    router = APIRouter(prefix="/api/v1/ledger", tags=["ledger"])

    @router.get("", summary="The ledger", responses=problems())
    def read() -> LedgerShown:
        """Of all processes, now."""
        streams = [StreamLedger.model_validate(ledger) for ledger in ledgers().values()]
        return LedgerShown(streams=streams, balanced=all(stream.balanced for stream in streams))

    return router
