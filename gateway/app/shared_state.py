"""The database that several controllers share, as any process comes to it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from gateway.app.common import own_name
from gateway.controller.record import Look, NoRecord
from gateway.controller.sql import Sql
from gateway.settings import ConfigError, Events, Settings, State

if TYPE_CHECKING:
    from gateway.controller.postgres import Postgres


def check(state: State) -> None:
    """Without a try. Raises ConfigError."""
    _driver().parts(state)


def connect(state: State, events: Events) -> "Postgres":
    """See `Postgres.connect`. Raises ConfigError, StorageUnusable."""
    return _driver().connect(state, own_name(events))


def _driver() -> "type[Postgres]":
    try:
        from gateway.controller.postgres import Postgres
    except ImportError as error:
        raise ConfigError([f"state: needs psycopg: pip install 'tipstaff[postgres]' ({error})"]) from error
    return Postgres


def look_of(settings: Settings) -> Look | None:
    """At the state that is shared; None: it is in the data folder."""
    return None if settings.state is None else partial(_looking, settings.state, settings.events)


@contextmanager
def _looking(state: State, events: Events) -> Iterator[Sql]:
    with closing(connect(state, events)) as database:
        from gateway.controller.postgres_state import is_made

        with database.reading() as sql:
            if not is_made(sql):
                raise NoRecord("no gateway has led yet")
            yield sql
