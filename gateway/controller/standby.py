"""What a gateway that stands by does with the shared database: it follows the leader's table, and takes over."""

import threading
from collections.abc import Callable

import structlog

from gateway.controller.database import StorageUnusable
from gateway.controller.followed import Unreachable
from gateway.controller.postgres import Postgres
from gateway.controller.postgres_state import VERSION, read_format
from gateway.controller.state_store import UNIT_KEY, read_named, read_table
from gateway.core.routing import RoutingTable
from gateway.ports import Clock

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.25


class StoredTables:
    """`gateway.controller.followed.Source`. `take_over` is called when nobody has led for `after` seconds.

    `connect`: raises StorageUnusable. `unit_key`: the fingerprint of our own.
    """

    name = "the leader"

    def __init__(
        self,
        connect: Callable[[], Postgres],
        unit_key: str,
        clock: Clock,
        after: float,
        take_over: Callable[[], object],
    ) -> None:
        self._connect = connect
        self._unit_key = unit_key
        self._clock = clock
        self._after = after
        self._take_over = take_over
        self._database: Postgres | None = None
        self._stop = threading.Event()
        self._leader = ""
        self._led_at = clock.monotonic()

    @property
    def elsewhere(self) -> str:
        """See Source."""
        who = f"{self._leader} leads" if self._leader else "nobody is known to lead just now"
        return f"this gateway stands by, {who}: ask there, with --admin"

    def fetch(self, known: RoutingTable, wait: float) -> RoutingTable | None:
        """See Source."""
        end = self._clock.monotonic() + wait
        while True:
            try:
                found = self._look()
            except StorageUnusable as error:
                self._let_go()
                raise Unreachable(str(error)) from error
            if found is not None and found != known:
                return found
            if self._clock.monotonic() >= end or self._stop.wait(_LOOK_SECONDS):
                return None

    def _look(self) -> RoutingTable | None:
        if self._database is None:
            self._database = self._connect()
            self._led_at = self._clock.monotonic()  # nobody knows who led before
        self._watch(self._database.leader())
        with self._database.reading() as sql:
            found = read_format(sql)
            if found not in (0, VERSION):
                raise Unreachable(f"the state in PostgreSQL has format {found}, this tipstaff reads {VERSION}")
            table = read_table(sql) if found else None
            key = read_named(sql, UNIT_KEY) if found else None
        if key is not None and key.decode() != self._unit_key:
            said = f"its unit key is {key.decode()}, ours {self._unit_key}"
            raise Unreachable(f"the leader deals units otherwise: {said}; give both the same unit_key_file")
        return table

    def _watch(self, leader: str | None) -> None:
        now = self._clock.monotonic()
        if leader is not None:
            self._leader, self._led_at = leader, now
        elif now - self._led_at >= self._after:
            log.warning("nobody leads, taking over", leader=self._leader)
            self._led_at = now
            self._take_over()

    def _let_go(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def close(self) -> None:
        """Let go; a second call does nothing."""
        self._stop.set()
        self._let_go()
