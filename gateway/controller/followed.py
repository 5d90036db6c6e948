"""The routing table of another gateway's controller: fetched, kept on disk for the proxies, never decided here."""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from gateway.controller.tables import Elsewhere, Saving
from gateway.core.routing import RoutingTable
from gateway.layout import DataFolder
from gateway.patience import Patience
from gateway.ports import Clock, Head
from gateway.tablefile import BadTable, read_table, write_table

log = structlog.get_logger(__name__)

STALE_SECONDS = 60.0
"""After so long without a word from the controller people are told."""
_NONE = RoutingTable(store_id="", epoch=0, version=0, models={})


class Unreachable(Exception):
    """The controller gave no table and no word on it; the message says why."""


class Refused(Unreachable):
    """There is a table that must not be taken here, and no waiting mends that."""


class Source(Protocol):
    """Where tables come from."""

    @property
    def name(self) -> str:
        """In a sentence, what gives them."""

    @property
    def wait_seconds(self) -> float:
        """How long `fetch` may be let wait: how old a word on a table that does not change may be."""

    @property
    def elsewhere(self) -> str:
        """See `gateway.controller.tables.Tables`."""

    def fetch(self, known: RoutingTable, wait: float) -> RoutingTable | None:
        """A table that differs from `known`; None: none came for `wait` seconds. Raises Unreachable, Refused."""

    def close(self) -> None:
        """Let go, from any thread; a second call does nothing. What is under way ends soon."""


class FollowedTables:
    """`gateway.controller.tables.Tables` of one who follows, from `start` to `close`, in a thread of its own.

    What is on disk holds until there is a newer one: an older table never replaces it, nor one of another store
    unless `adopt`.
    """

    def __init__(self, source: Source, data: DataFolder, clock: Clock, *, adopt: bool = False) -> None:
        self._source = source
        self._data = data
        self._clock = clock
        self._adopt = adopt
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._patience = Patience("following the routing table", clock, (Unreachable,))
        self._confirmed = clock.monotonic()
        self._trouble = ""
        self._refused = False
        self._table = self._found()
        """As it is on disk."""

    def _found(self) -> RoutingTable | None:
        try:
            return read_table(self._data.table)
        except BadTable as error:
            log.warning("the routing table on disk is passed over", error=str(error))
            return None

    @property
    def published(self) -> bool:
        """See Tables."""
        return self._table is not None

    @property
    def elsewhere(self) -> str:
        """See Tables."""
        return self._source.elsewhere

    @property
    def latest(self) -> RoutingTable | None:
        """See Tables."""
        return self._table

    @property
    def age_seconds(self) -> float:
        """See Tables."""
        return self._clock.monotonic() - self._confirmed

    @property
    def warnings(self) -> list[str]:
        """See Tables."""
        if self._refused:
            return [f"the routing table is not followed: {self._trouble}"]
        if self._trouble and (self.age_seconds > STALE_SECONDS or self._table is None):
            return [f"no word on the routing table for {self.age_seconds:.0f} s: {self._trouble}"]
        return []

    def current(self) -> RoutingTable:
        """The one in force here; an empty one before there is any."""
        return self._table or _NONE

    def publish(self) -> None:
        """See Tables."""
        with self._lock:
            if self._table is not None and not self._data.table.exists():
                self._write(self._table)

    def set_weights(
        self,
        model: str,  # noqa: ARG002 - the protocol's
        shares: Mapping[str, float],  # noqa: ARG002
        reason: str,  # noqa: ARG002
        actor: str = "operator",  # noqa: ARG002
        expected_version: int | None = None,  # noqa: ARG002
    ) -> RoutingTable:
        """Raises Elsewhere."""
        raise Elsewhere(self.elsewhere)

    def save_with(self, build: Callable[[Head], Saving]) -> RoutingTable:  # noqa: ARG002 - the protocol's
        """Raises Elsewhere."""
        raise Elsewhere(self.elsewhere)

    def start(self, on_death: Callable[[BaseException], object]) -> None:
        """Begin; once. `on_death` hears what it died of, from that thread."""
        threading.Thread(target=self._run, args=(on_death,), name="follow", daemon=True).start()

    def _run(self, on_death: Callable[[BaseException], object]) -> None:
        try:
            while not self._stop.is_set():
                if self._patience.due:
                    self.step(self._source.wait_seconds)
                else:
                    self._stop.wait(0.05)
        except BaseException as error:  # a thread's end: whoever listens to `on_death` ends the process
            log.exception("following the routing table died")
            on_death(error)

    def step(self, wait: float) -> None:
        """Ask once, and take what comes."""
        with self._patience.trying():
            try:
                found = self._source.fetch(self.current(), wait)
                if found is not None:
                    self._take(found)
            except (Unreachable, OSError) as error:
                self._trouble, self._refused = str(error), isinstance(error, Refused)
                raise
            self._trouble, self._refused, self._confirmed = "", False, self._clock.monotonic()

    def _take(self, found: RoutingTable) -> None:
        """Raises Refused for a table that may not replace ours, OSError when it cannot be kept."""
        ours = self._table
        if ours is None or found.replaces(ours) or (self._adopt and found.store_id != ours.store_id):
            with self._lock:
                if self._stop.is_set():
                    return  # another has the file by now
                self._write(found)
            log.info("routing table taken", store=found.store_id, epoch=found.epoch, version=found.version)
        elif found.store_id != ours.store_id:
            way = "restart with --adopt if it is the right one"
            raise Refused(f"{self._source.name} has a table of another store, {found.store_id}: {way}")
        else:
            at, here = f"{found.epoch}.{found.version}", f"{ours.epoch}.{ours.version}"
            raise Refused(f"{self._source.name} has table {at}, older than {here} here: not taken; restored?")

    def _write(self, table: RoutingTable) -> None:
        write_table(self._data.table, table)
        self._table = table

    def close(self) -> None:
        """End following; what is being asked for is not waited for."""
        with self._lock:
            self._stop.set()
        self._source.close()
