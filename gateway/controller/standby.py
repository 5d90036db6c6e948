"""What a gateway that stands by does with the shared database: it follows the leader's table, and takes over."""

import threading
from collections.abc import Callable

import structlog

from gateway.controller.database import FormatError, StorageUnusable
from gateway.controller.followed import Refused, Unreachable
from gateway.controller.postgres import Postgres
from gateway.controller.postgres_state import is_made
from gateway.controller.state_store import UNIT_KEY, read_named, read_table
from gateway.core.routing import RoutingTable
from gateway.ports import Clock
from gateway.settings import ConfigError

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.25


class StoredTables:
    """`gateway.controller.followed.Source`. `take_over` is called when nobody has led for `after` seconds.

    `connect`: raises StorageUnusable, ConfigError. `own`: this gateway's name; `unit_key`: its key's fingerprint.
    """

    name = "the leader"
    wait_seconds = 1.0

    def __init__(
        self,
        connect: Callable[[], Postgres],
        own: str,
        unit_key: str,
        clock: Clock,
        after: float,
        take_over: Callable[[], object],
    ) -> None:
        self._connect = connect
        self._own = own
        self._unit_key = unit_key
        self._clock = clock
        self._after = after
        self._take_over = take_over
        self._database: Postgres | None = None
        self._stop = threading.Event()
        self._using = threading.Lock()
        self._leader = ""
        self._led_at = clock.monotonic()

    @property
    def elsewhere(self) -> str:
        """See Source."""
        if not self._leader:
            return "this gateway stands by, and nobody is known to lead just now: ask again in a moment"
        return f"this gateway stands by, {self._leader} leads: ask there, with --admin"

    def fetch(self, known: RoutingTable, wait: float) -> RoutingTable | None:
        """See Source."""
        with self._using:
            try:
                return self._fetch(known, self._clock.monotonic() + wait)
            except (StorageUnusable, ConfigError) as error:  # a file with a password may be gone, and come back
                self._let_go()
                raise Unreachable(str(error)) from error
            finally:
                if self._stop.is_set():
                    self._let_go()

    def _fetch(self, known: RoutingTable, end: float) -> RoutingTable | None:
        while not self._stop.is_set():
            found = self._look()
            if found is not None and found != known:
                return found
            if self._clock.monotonic() >= end:
                break
            self._stop.wait(_LOOK_SECONDS)
        return None

    def _look(self) -> RoutingTable | None:
        if self._database is None:
            self._database = self._connect()
            self._led_at = self._clock.monotonic()  # nobody knows who led before
        try:
            with self._database.reading() as sql:
                made = is_made(sql)
                table, key = (read_table(sql), read_named(sql, UNIT_KEY)) if made else (None, None)
        except FormatError as error:
            raise Refused(str(error)) from error
        if key is not None and key.decode() != self._unit_key:
            said = f"its unit key is {key.decode()}, ours {self._unit_key}"
            raise Refused(f"the leader deals units otherwise: {said}; give both the same unit_key_file")
        leader = self._database.leader()
        if leader == self._own:
            raise Refused(f"another gateway of the name {leader} leads: give each its own events.source")
        self._watch(leader)  # who could not lead does not come so far, and does not take over
        return table

    def _watch(self, leader: str | None) -> None:
        now, before, self._leader = self._clock.monotonic(), self._leader, leader or ""
        if leader is not None:
            self._led_at = now
        elif now - self._led_at >= self._after:
            log.warning("nobody leads, taking over", before=before)
            self._led_at = now
            self._take_over()

    def _let_go(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def close(self) -> None:
        """See Source."""
        self._stop.set()
        if self._using.acquire(blocking=False):  # else whoever is at it lets go
            self._let_go()
            self._using.release()
