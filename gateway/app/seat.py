"""What a controller is here: the one that decides, one that follows another gateway's, or one that stands by."""

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway import unitkeys
from gateway.app.common import Process
from gateway.app.shared_state import connect
from gateway.controller.database import FormatError, StorageUnusable, opening
from gateway.controller.followed import FollowedTables, Source
from gateway.controller.known_stores import KnownStores, default_folder
from gateway.controller.recovery import birth, open_state
from gateway.controller.state_store import UNIT_KEY, SqlStateStore
from gateway.controller.tables import RoutingTables, wishes
from gateway.events.schema import DecisionV1
from gateway.layout import DataFolder
from gateway.ports import Clock
from gateway.settings import Settings, State

if TYPE_CHECKING:
    from gateway.controller.postgres_state import PostgresStateStore

Tell = Callable[[DecisionV1], None]


class Seat(NamedTuple):
    """`source`: where tables come from that are decided elsewhere; None: this controller decides."""

    store: SqlStateStore
    source: Source | None
    stands_by: bool = False


def take_seat(process: Process, stack: ExitStack, begin_anew: Callable[[], object]) -> Seat:
    """`begin_anew` is called, from any thread, when the seat is to be another one: the lead was lost, or is free.

    Raises what opening a store does, ConfigError.
    """
    settings, data, clock = process.settings, process.data, process.clock
    if settings.state is not None:
        return _shared(process, settings.state, stack, begin_anew)
    store = open_state(data, clock)
    stack.callback(store.close)
    if settings.control is None:
        return Seat(store, None)
    from gateway.controller.table_source import ControlTables  # an HTTP client, which nobody else needs

    return Seat(store, ControlTables(settings.control, _unit_key(settings)))


def _shared(process: Process, state: State, stack: ExitStack, begin_anew: Callable[[], object]) -> Seat:
    from gateway.controller.standby import StoredTables

    settings, data, clock = process.settings, process.data, process.clock
    store = leading(settings, state, clock)
    if store is not None:
        stack.callback(store.close)
        store.when_lost(begin_anew)
        return Seat(store, None)
    own = open_state(data, clock)
    stack.callback(own.close)
    reach = partial(connect, state, settings.events)
    source = StoredTables(reach, _unit_key(settings), clock, state.take_over_after, begin_anew)
    return Seat(own, source, stands_by=True)


def leading(settings: Settings, state: State, clock: Clock) -> "PostgresStateStore | None":
    """The shared store, with the lead, until it is closed or the connection is lost. None: another gateway has it.

    Raises StorageUnusable, also where it is another tipstaff's; ConfigError.
    """
    from gateway.controller.postgres_state import PostgresStateStore

    with ExitStack() as trying:
        database = trying.enter_context(closing(connect(state, settings.events)))
        if not database.lead():
            return None
        try:
            store = PostgresStateStore.open(database, *birth(DataFolder(settings.data), clock))
        except FormatError as error:
            raise StorageUnusable(f"this gateway cannot lead: {error}") from error
        _deal_alike(store, _unit_key(settings))
        trying.pop_all()
        return store


def _deal_alike(store: SqlStateStore, ours: str) -> None:
    """Whoever leads deals units as those before, at least while somebody is compared by that."""
    known = store.named(UNIT_KEY)
    going_on = [rollout.model for rollout in store.rollouts() if not rollout.ended]
    if known is not None and known.decode() != ours and going_on:
        said = f"its unit key is {known.decode()}, ours {ours}, and a rollout of {', '.join(going_on)} is under way"
        raise StorageUnusable(f"this gateway cannot lead: {said}; give both the same unit_key_file")
    store.keep(UNIT_KEY, ours.encode())


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
