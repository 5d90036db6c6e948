"""What each arm did over time: counts, bucket by bucket, for charts."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from gateway.controller.index import ExchangeIndex
from gateway.controller.over_time import WHOLE, ArmSeries, TimeFrame
from gateway.controller.routers.values import Answer, example, moment, problems
from gateway.controller.tables import Tables, UnknownModel
from gateway.controller.tallies import HOUR_US, MINUTE_US
from gateway.ports import Clock

Window = Literal["15m", "1h", "6h", "24h", "7d", "30d"]
_WINDOWS: dict[Window, tuple[int, int]] = {
    "15m": (MINUTE_US, 15),
    "1h": (MINUTE_US, 60),
    "6h": (MINUTE_US, 360),
    "24h": (HOUR_US, 24),
    "7d": (HOUR_US, 7 * 24),
    "30d": (HOUR_US, 30 * 24),
}
"""How long a bucket is, and how many there are."""


class PrincipleOverTime(Answer):
    """One principle on one arm; violations are shares of `evaluated`, never of all exchanges."""

    principle: str
    evaluated: list[int]
    violations: list[int]


class ArmOverTime(Answer):
    """One arm, by assignment, a number for each bucket; forced exchanges are in none."""

    arm: str
    exchanges: list[int]
    evaluated: list[int]
    not_evaluated: list[int]
    violating: list[int]
    refusals: list[int]
    refusal_evaluated: list[int]
    over_refusals: list[int]
    over_refusal_evaluated: list[int]
    upstream_errors: list[int]
    principles: list[PrincipleOverTime]


class SeriesShown(Answer):
    """`times`: when each bucket starts; the last one is under way. The baseline first. `principles` are those that
    were violated on some arm in the window.
    """

    model_config = example(
        model="assistant",
        since="2026-03-01T12:00:00Z",
        until="2026-03-01T12:01:30Z",
        step_seconds=60,
        times=["2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"],
        arms=[
            {
                "arm": "canary",
                **{what: [0, 0] for what in WHOLE},
                "exchanges": [120, 60],
                "evaluated": [119, 60],
                "not_evaluated": [1, 0],
                "violating": [2, 0],
                "principles": [{"principle": "honesty", "evaluated": [119, 60], "violations": [2, 0]}],
            }
        ],
    )

    model: str
    since: datetime
    until: datetime
    step_seconds: int
    times: list[datetime]
    arms: list[ArmOverTime]


def series_router(tables: Tables, index: ExchangeIndex, clock: Clock) -> APIRouter:
    """Cheap to ask, however many exchanges there were."""
    router = APIRouter(prefix="/api/v1/models", tags=["rates"])

    @router.get("/{model:path}/series", summary="Counts over time", responses=problems(404, 422, 503))
    def read(
        model: str,
        window: Annotated[Window, Query(description="Up to now: to 6h by the minute, beyond by the hour")] = "1h",
    ) -> SeriesShown:
        """Counts, no inference. Minutes are counted since this version first ran here, for two days at most."""
        route = tables.current().models.get(model)
        if route is None:
            raise UnknownModel(f"{model!r}: there are {', '.join(sorted(tables.current().models))}")
        step_us, buckets = _WINDOWS[window]
        now_us = clock.now_us()
        frame = TimeFrame.until(now_us, step_us, buckets)
        found = {each.arm: each for each in index.over_time(model, frame).arms}
        nothing = {what: [0] * buckets for what in WHOLE}
        configured = {share.arm: found.pop(share.arm, ArmSeries(share.arm, nothing, {})) for share in route.arms}
        return SeriesShown(
            model=model,
            since=moment(frame.since_us),
            until=moment(now_us),
            step_seconds=step_us // 1_000_000,
            times=[moment(frame.since_us + place * step_us) for place in range(buckets)],
            arms=[_arm(each) for each in (*configured.values(), *found.values())],
        )

    return router


def _arm(found: ArmSeries) -> ArmOverTime:
    return ArmOverTime(
        arm=found.arm,
        **found.whole,
        principles=[
            PrincipleOverTime(principle=principle, evaluated=counts["evaluated"], violations=counts["violations"])
            for principle, counts in found.principles.items()
        ],
    )
