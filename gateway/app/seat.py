"""What a controller is here: the one that decides, one that follows another gateway's, or one that stands by."""

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import structlog

from gateway import unitkeys
from gateway.app.common import Process, own_name
from gateway.app.shared_state import connect
from gateway.controller.database import FormatError, StorageUnusable, opening
from gateway.controller.followed import FollowedTables, Source
from gateway.controller.known_stores import KnownStores, default_folder
from gateway.controller.recovery import birth, open_state
from gateway.controller.state_store import UNIT_KEY, SqlStateStore, read_head, read_named
from gateway.controller.tables import RoutingTables, wishes
from gateway.core.routing import RoutingTable
from gateway.events.schema import DecisionV1
from gateway.layout import DataFolder
from gateway.ports import Clock
from gateway.settings import Settings, State

if TYPE_CHECKING:
    from gateway.controller.postgres_state import PostgresStateStore

log = structlog.get_logger(__name__)

Tell = Callable[[DecisionV1], None]


class Seat(NamedTuple):
    """`source`: where tables come from that are decided elsewhere; None: this controller decides."""

    store: SqlStateStore
    source: Source | None
    stands_by: bool = False


def take_seat(process: Process, stack: ExitStack, begin_anew: Callable[[], object], *, adopt: bool) -> Seat:
    """`begin_anew` is called, from any thread, when the seat is to be another one: the lead was lost, or is free.

    Raises what opening a store does, ConfigError.
    """
    settings, data, clock = process.settings, process.data, process.clock
    if settings.state is not None:
        return _shared(process, settings.state, stack, begin_anew, adopt=adopt)
    store = open_state(data, clock)
    stack.callback(store.close)
    if settings.control is None:
        return Seat(store, None)
    from gateway.controller.table_source import ControlTables  # an HTTP client, which nobody else needs

    return Seat(store, ControlTables(settings.control, _unit_key(settings)))


def _shared(
    process: Process, state: State, stack: ExitStack, begin_anew: Callable[[], object], *, adopt: bool
) -> Seat:
    settings, data, clock = process.settings, process.data, process.clock
    store = leading(settings, state, clock, adopt=adopt)
    if store is not None:
        stack.callback(store.close)
        store.when_lost(begin_anew)
        log.info("this gateway leads", epoch=store.head().epoch)
        return Seat(store, None)
    from gateway.controller.standby import StoredTables

    log.info("this gateway stands by: another one leads")
    own = open_state(data, clock)
    stack.callback(own.close)
    reach = partial(connect, state, settings.events)
    source = StoredTables(
        reach, own_name(settings.events), _unit_key(settings), clock, state.take_over_after, begin_anew
    )
    return Seat(own, source, stands_by=True)


def leading(settings: Settings, state: State, clock: Clock, *, adopt: bool = False) -> "PostgresStateStore | None":
    """The shared store, with the lead, until it is closed or the connection is lost. None: another gateway has it.

    `adopt`: also where the table here is of another store. Raises StorageUnusable, also where this gateway must not
    lead; ConfigError.
    """
    data = DataFolder(settings.data)
    with ExitStack() as trying:
        database = trying.enter_context(closing(connect(state, settings.events)))
        from gateway.controller.postgres_state import PostgresStateStore, is_made

        if not database.lead():
            return None
        new_id, found = birth(data, clock)
        try:
            with database.reading() as sql:
                made = is_made(sql)
                there, key = (read_head(sql).store_id, read_named(sql, UNIT_KEY)) if made else ("", None)
            _refuse_foreign(there, found, adopt=adopt)
            _refuse_other_key(key, settings, data)
            store = PostgresStateStore.open(database, new_id, found)
        except FormatError as error:
            raise StorageUnusable(f"this gateway cannot lead: {error}") from error
        store.keep(UNIT_KEY, _unit_key(settings).encode())
        trying.pop_all()
        return store


def _refuse_foreign(there: str, found: RoutingTable | None, *, adopt: bool) -> None:
    if there and found is not None and found.store_id != there and not adopt:
        said = f"the state is of store {there}, the table here of {found.store_id}"
        raise StorageUnusable(f"this gateway cannot lead: {said}; restart with --adopt if that is right")


def _refuse_other_key(key: bytes | None, settings: Settings, data: DataFolder) -> None:
    """Whoever leads deals units as those before, unless this gateway had that key too, and was given another."""
    ours, used = _unit_key(settings), unitkeys.in_use(data)
    known = () if used is None else used.history
    if key is not None and key.decode() not in (ours, *known):
        said = f"units are dealt by the key {key.decode()}, ours is {ours}"
        raise StorageUnusable(f"this gateway cannot lead: {said}; give all the same unit_key_file")


def tables_of(process: Process, seat: Seat, tell: Tell, *, adopt: bool) -> RoutingTables | FollowedTables:
    """Decided here, and published; or followed, once somebody runs that."""
    data, clock = process.data, process.clock
    if seat.source is not None:
        return FollowedTables(seat.source, data, clock, adopt=adopt)
    known = KnownStores(default_folder(os.environ, Path.home()))
    decided = RoutingTables(seat.store, data, known, clock, on_decision=tell)
    with opening(data.state):
        decided.start(wishes(process.settings.models))
    return decided


def _unit_key(settings: Settings) -> str:
    return unitkeys.fingerprint(unitkeys.current(settings, DataFolder(settings.data)))
