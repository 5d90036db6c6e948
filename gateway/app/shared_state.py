"""The database that several controllers share, as any process comes to it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from gateway.controller.record import Look, NoRecord
from gateway.controller.sql import Sql
from gateway.settings import ConfigError, Events, Settings, State

if TYPE_CHECKING:
    from gateway.controller.postgres import Postgres


def connect(state: State, events: Events, on_lost: Callable[[], object] = lambda: None) -> "Postgres":
    """See `Postgres.connect`. Raises ConfigError, StorageUnusable."""
    try:
        from gateway.controller.postgres import Postgres
    except ImportError as error:
        raise ConfigError([f"state: needs psycopg: pip install 'tipstaff[postgres]' ({error})"]) from error
    return Postgres.connect(state, events.source or socket.gethostname(), on_lost)


def look_of(settings: Settings) -> Look | None:
    """At the state that is shared; None: it is in the data folder."""
    return None if settings.state is None else partial(_looking, settings.state, settings.events)


@contextmanager
def _looking(state: State, events: Events) -> Iterator[Sql]:
    with closing(connect(state, events)) as database:
        from gateway.controller.postgres_state import read_format

        with database.reading() as sql:
            if not read_format(sql):
                raise NoRecord("no gateway has led yet")
            yield sql
