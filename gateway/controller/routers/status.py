"""The state of things at a glance: is it running, is it safe, who decided what, is anything lost."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from gateway.controller import overview
from gateway.controller.parts import ControllerParts
from gateway.controller.routers.values import Answer, example, moment, percent, problems
from gateway.controller.warned import warnings
from gateway.core.routing import DecidedBy, ModelRoute, RoutingTable
from gateway.core.status import ProxyStatus
from gateway.telemetry.exposition import Children
from gateway.telemetry.metrics import SCORER_LAG


class Process(Answer):
    """A process that keeps numbers in this data folder, or did."""

    name: str
    up: bool


class Endpoint(Answer):
    """One endpoint as a proxy sees it."""

    url: str
    healthy: bool
    in_flight: int
    ejected_for: str
    served_models: list[str]
    server_version: str


class Arm(Answer):
    """One arm as a proxy sees it."""

    model: str
    arm: str
    served_name: str
    endpoints: list[Endpoint]


class Proxy(Answer):
    """One proxy worker's last word. `behind`: it acts on another table than the one in force."""

    process: str
    address: str
    ready: bool
    draining: bool
    age_seconds: float
    stale: bool
    table_epoch: int
    table_version: int
    behind: bool
    arms: list[Arm]
    warnings: list[str]


class EjectedEndpoint(Answer):
    """An endpoint without traffic, why, and when it is tried again."""

    process: str
    model: str
    arm: str
    url: str
    reason: str
    returns_at: datetime | None


class UnitSource(Answer):
    """Where units came from."""

    source: str
    requests: int
    share: float


class ModelStatus(Answer):
    """One model: its split in percent, whose word it is, and where its units come from."""

    model: str
    weights: dict[str, float]
    decided_by: DecidedBy
    decided_at: datetime
    reason: str
    units: list[UnitSource]


class TableInForce(Answer):
    """The routing table in force."""

    store_id: str
    epoch: int
    version: int
    published: bool


class Status(Answer):
    """Everything at a glance. `warnings` are sentences for people; empty when all is well."""

    model_config = example(
        version="0.1.0",
        time="2026-03-01T12:00:00.000125Z",
        constitution="c0ffee",
        table={"store_id": "019cab1f3c6a7f4b8d2e6a90c1b2d3e4", "epoch": 1, "version": 4, "published": True},
        elsewhere="",
        models=[
            {
                "model": "assistant",
                "weights": {"stable": 90.0, "canary": 10.0},
                "decided_by": "config",
                "decided_at": "2026-03-01T11:00:00Z",
                "reason": "first start with this model",
                "units": [{"source": "header:x-user-id", "requests": 400, "share": 1.0}],
            }
        ],
        processes=[{"name": "proxy-0", "up": True}],
        proxies=[
            {
                "process": "proxy-0",
                "address": "127.0.0.1:8080",
                "ready": True,
                "draining": False,
                "age_seconds": 0.4,
                "stale": False,
                "table_epoch": 1,
                "table_version": 4,
                "behind": False,
                "arms": [
                    {
                        "model": "assistant",
                        "arm": "stable",
                        "served_name": "llama-v12",
                        "endpoints": [
                            {
                                "url": "http://127.0.0.1:8001",
                                "healthy": True,
                                "in_flight": 3,
                                "ejected_for": "",
                                "served_models": ["llama-v12"],
                                "server_version": "0.10.2",
                            }
                        ],
                    }
                ],
                "warnings": [],
            }
        ],
        ejected=[
            {
                "process": "proxy-0",
                "model": "assistant",
                "arm": "canary",
                "url": "http://127.0.0.1:8002",
                "reason": "5 failures in a row",
                "returns_at": "2026-03-01T12:00:20Z",
            }
        ],
        scorer_lag_seconds=0.02,
        warnings=[],
    )

    version: str
    time: datetime
    constitution: str = Field(description="Content hash")
    table: TableInForce
    elsewhere: str = Field(description="Who decides, where this controller does not; empty: it does")
    models: list[ModelStatus]
    processes: list[Process]
    proxies: list[Proxy]
    ejected: list[EjectedEndpoint]
    scorer_lag_seconds: float | None = Field(description="Null: no scorer runs")
    warnings: list[str]


def status_router(parts: ControllerParts) -> APIRouter:
    """Read it."""
    router = APIRouter(prefix="/api/v1/status", tags=["status"])

    @router.get("", summary="Status", responses=problems(503))
    def read() -> Status:
        """Put together anew from what every process keeps in the data folder."""
        table, totals = parts.tables.current(), parts.exposition.totals()
        running = overview.up(totals)
        statuses = [status for status in parts.statuses.read() if running.get(status.process, True)]
        models = [_model(name, route, totals) for name, route in table.models.items()]
        return Status(
            version=parts.version,
            time=moment(parts.clock.now_us()),
            constitution=parts.constitution.hash,
            table=TableInForce(
                store_id=table.store_id,
                epoch=table.epoch,
                version=table.version,
                published=parts.tables.published,
            ),
            elsewhere=parts.tables.elsewhere,
            models=models,
            processes=[Process(name=name, up=is_up) for name, is_up in running.items()],
            proxies=[_proxy(status, table, parts) for status in statuses],
            ejected=[_ejected(found) for found in overview.ejected(statuses)],
            scorer_lag_seconds=overview.single(totals, SCORER_LAG),
            warnings=warnings(parts, table, totals, statuses),
        )

    return router


def _model(name: str, route: ModelRoute, totals: dict[str, Children]) -> ModelStatus:
    return ModelStatus(
        model=name,
        weights={share.arm: percent(share.weight) for share in route.arms},
        decided_by=route.decided_by,
        decided_at=moment(route.decided_at_us),
        reason=route.reason,
        units=[UnitSource.model_validate(found) for found in overview.units(totals, name)],
    )


def _proxy(status: ProxyStatus, table: RoutingTable, parts: ControllerParts) -> Proxy:
    return Proxy(
        process=status.process,
        address=status.address,
        ready=status.ready,
        draining=status.draining,
        age_seconds=parts.statuses.age_seconds(status),
        stale=parts.statuses.stale(status),
        table_epoch=status.table_epoch,
        table_version=status.table_version,
        behind=overview.behind(status, table),
        arms=[Arm.model_validate(arm) for arm in status.arms],
        warnings=list(status.warnings),
    )


def _ejected(found: overview.Ejected) -> EjectedEndpoint:
    return EjectedEndpoint(
        process=found.process,
        model=found.model,
        arm=found.arm,
        url=found.url,
        reason=found.reason,
        returns_at=None if found.returns_at_us is None else moment(found.returns_at_us),
    )
