"""Opens the controller's state. A lost one carries on from the table that it had published, if that is there."""

from collections.abc import Callable
from os import urandom

import structlog

from gateway.controller.sqlite_state import SqliteStateStore
from gateway.core.ids import exchange_id
from gateway.core.routing import RoutingTable
from gateway.layout import DataFolder
from gateway.ports import Clock
from gateway.tablefile import BadTable, read_table

log = structlog.get_logger(__name__)


def birth(
    data: DataFolder, clock: Clock, entropy: Callable[[int], bytes] = urandom
) -> tuple[str, RoutingTable | None]:
    """What a store that is missing begins with: an id, and the table that a lost one had published."""
    return exchange_id(clock.now_us(), entropy(10)), _published(data)


def open_state(data: DataFolder, clock: Clock, entropy: Callable[[int], bytes] = urandom) -> SqliteStateStore:
    """The store in `data`, made when it is missing. Raises FormatError, StorageUnusable, sqlite3.Error."""
    new_id, found = birth(data, clock, entropy)
    if found is not None and not data.state.exists():
        log.warning("the controller's state is gone, going on from the published table", version=found.version)
    return SqliteStateStore.open(data.state, new_id, found)


def _published(data: DataFolder) -> RoutingTable | None:
    try:
        return read_table(data.table)
    except BadTable as error:
        log.warning("no use in the published table", error=str(error))
        return None
