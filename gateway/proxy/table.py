"""The routing table that a proxy acts on: there from the first moment, and as new as the file."""

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from gateway.core.routing import ArmShare, ModelRoute, RoutingTable, split
from gateway.ports import Clock
from gateway.settings import Model
from gateway.tablefile import BadTable, read_table
from gateway.telemetry.metrics import TABLE_VERSION, Meters

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.25
_LONGEST_SALT = 64


class TableWatch:
    """Keeps `table` current. `loaded` is False while there was no table to take: then only the first arms serve.

    `adopt`: take a table of another store than the one before, which is otherwise refused with a warning.
    `known_store`: the store of the table that this process's earlier life acted on; empty when there was none.
    """

    def __init__(
        self,
        path: Path,
        models: Mapping[str, Model],
        clock: Clock,
        meters: Meters,
        *,
        adopt: bool = False,
        known_store: str = "",
    ) -> None:
        self._path = path
        self._models = models
        self._clock = clock
        self._adopt = adopt
        self._known_store = known_store
        self._version = meters.gauge(TABLE_VERSION)
        self._version.set(0)
        self._seen: tuple[int, ...] | None = None
        self._taken: RoutingTable | None = None
        self._first = asyncio.Event()
        self._trouble: tuple[str, ...] = ()
        self._unfit: tuple[str, ...] = ()
        self.table: RoutingTable = safety_table(models, clock.now_us())
        self.poll()

    @property
    def loaded(self) -> bool:
        """True once a table was taken from disk."""
        return self._taken is not None

    async def until_loaded(self) -> None:
        """Return once `loaded`."""
        await self._first.wait()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know of the table, a sentence each; empty when all is well."""
        return self._trouble + self._unfit

    def poll(self) -> None:
        """Look at the file once; take what is newer. A file that is gone leaves the table as it is."""
        try:
            seen = self._path.stat()
            signature = (seen.st_mtime_ns, seen.st_ino, seen.st_size)
            if signature == self._seen:
                return
            found = read_table(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            self._warn(f"the routing table cannot be read ({error}): the last one stays in force")
            return
        except BadTable as error:
            self._seen = signature
            self._warn(f"{error}; the last table stays in force")
            return
        if found is not None:
            self._seen = signature
            self._consider(found)

    def follow(self, models: Mapping[str, Model]) -> None:
        """Other models are configured: the table as it fits them."""
        self._models = models
        if self._taken is None:
            self.table = safety_table(models, self._clock.now_us())
        else:
            self.table, self._unfit = fitted(self._taken, models, self._clock.now_us())

    async def run(self) -> None:
        """Poll for ever, every POLL_SECONDS."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.poll()

    def _consider(self, found: RoutingTable) -> None:
        taken = self._taken
        other = bool(self._known_store) and found.store_id != self._known_store
        if other and not self._adopt:
            self._warn(
                f"the routing table on disk is of store {found.store_id!r}, this proxy follows "
                f"{self._known_store!r}: not taken; restart with --adopt if it is the right one"
            )
        elif other or taken is None or found.replaces(taken):
            self._take(found)
            self._warn()
        elif found != taken:
            self._warn(
                f"the routing table on disk (epoch {found.epoch}, version {found.version}) is not newer than "
                f"the one in force (epoch {taken.epoch}, version {taken.version}): not taken"
            )
        else:
            self._warn()

    def _take(self, found: RoutingTable) -> None:
        self._taken = found
        self._first.set()
        self._known_store = found.store_id
        self.table, self._unfit = fitted(found, self._models, self._clock.now_us())
        self._version.set(found.version)
        log.info("routing table taken", store=found.store_id, epoch=found.epoch, version=found.version)
        for warning in self._unfit:
            log.warning("routing table does not fit the configuration", problem=warning)

    def _warn(self, *trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            for warning in trouble:
                log.warning("routing table not taken", problem=warning)


def safety_table(models: Mapping[str, Model], now_us: int) -> RoutingTable:
    """Everything to the first arms: what holds before any table is known. Its store id is empty."""
    routes = {name: _safety_route(model, now_us, "no routing table yet") for name, model in models.items()}
    return RoutingTable(store_id="", epoch=0, version=0, models=routes)


def fitted(table: RoutingTable, models: Mapping[str, Model], now_us: int) -> tuple[RoutingTable, tuple[str, ...]]:
    """`table` for the configured models only, with known arms and usable weights, and a sentence per repair.

    Whatever is repaired goes to the first arm: a repair never gives a later arm more than the table does.
    """
    routes: dict[str, ModelRoute] = {}
    warnings: list[str] = []
    for name, model in models.items():
        route = table.models.get(name)
        if route is None or len(route.salt) > _LONGEST_SALT:
            routes[name] = _safety_route(model, now_us, "the routing table has no usable route")
            warnings.append(f"model {name!r}: no usable route in the routing table, its first arm serves")
        else:
            routes[name], repairs = _fitted_route(route, tuple(model.arms))
            warnings += [f"model {name!r}: {repair}" for repair in repairs]
    return msgspec.structs.replace(table, models=routes), tuple(warnings)


def _fitted_route(route: ModelRoute, arms: tuple[str, ...]) -> tuple[ModelRoute, list[str]]:
    unknown = [share.arm for share in route.arms if share.arm not in arms]
    repairs = [f"arm {arm!r} is not configured, the first arm takes its share" for arm in unknown]
    known = [share for share in route.arms if share.arm in arms]
    first = known[0].arm if known and route.arms[0] is known[0] else arms[0]
    # The order decides which buckets an arm owns: it is the table's, not the configuration's.
    given = {share.arm: share.weight for share in known if share.arm != first}
    others = {arm: weight for arm, weight in given.items() if math.isfinite(weight) and 0 <= weight <= 1}
    if len(others) < len(given) or sum(others.values()) > 1 + 1e-9:
        repairs.append("its weights are no shares of one whole, its first arm serves all")
        others = dict.fromkeys(given, 0.0)
    others |= {arm: 0.0 for arm in arms if arm != first and arm not in others}
    rest = min(max(1.0 - sum(others.values()), 0.0), 1.0)
    shares = (ArmShare(first, rest), *(ArmShare(arm, weight) for arm, weight in others.items()))
    return msgspec.structs.replace(route, arms=shares), repairs


def _safety_route(model: Model, now_us: int, reason: str) -> ModelRoute:
    return ModelRoute(
        salt=b"", arms=split(tuple(model.arms), {}), decided_by="safety", decided_at_us=now_us, reason=reason
    )
