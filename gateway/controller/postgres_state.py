"""`gateway.ports.StateStore` on PostgreSQL, for several controllers of which one leads."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Self

from gateway.controller.database import FormatError
from gateway.controller.postgres import SCHEMA, Postgres, Statements
from gateway.controller.sql import Sql
from gateway.controller.state_store import SqlStateStore, claim_epoch
from gateway.core.routing import RoutingTable

VERSION = 1
_TABLES = f"""
CREATE TABLE head (
    only_one integer PRIMARY KEY CHECK (only_one = 1),
    store_id text NOT NULL, epoch bigint NOT NULL, version bigint NOT NULL, routing bytea
);
CREATE TABLE decisions (number bigint PRIMARY KEY, body bytea NOT NULL, hash text NOT NULL);
CREATE TABLE positions (producer text PRIMARY KEY, position bigint NOT NULL);
CREATE TABLE rollouts (
    number bigint PRIMARY KEY, rollout text NOT NULL UNIQUE, model text NOT NULL,
    ended boolean NOT NULL, generation bigint NOT NULL UNIQUE, state bytea NOT NULL
);
CREATE TABLE units (
    generation bigint, unit bytea, body bytea NOT NULL, PRIMARY KEY (generation, unit)
);
CREATE TABLE queue (
    generation bigint, number bigint, unit bytea NOT NULL, PRIMARY KEY (generation, number)
);
CREATE TABLE inputs (
    rollout bigint, number bigint, body bytea NOT NULL, PRIMARY KEY (rollout, number)
);
CREATE TABLE forgotten (generation bigint PRIMARY KEY);
CREATE TABLE named (name text PRIMARY KEY, body bytea NOT NULL);
CREATE FUNCTION {SCHEMA}.instr(body bytea, part bytea) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT position(part IN body)'
"""
_MIGRATIONS: Mapping[int, str] = {}
"""Statements, separated by semicolons, that make the format after it of a format."""


class PostgresStateStore(SqlStateStore):
    """See the module. Safe to call from any thread."""

    def __init__(self, database: Postgres, epoch: int) -> None:
        super().__init__(epoch)
        self._database = database

    @classmethod
    def open(cls, database: Postgres, new_id: str, found: RoutingTable | None = None) -> Self:
        """Make the tables or migrate them, and claim the next epoch; for whoever leads. `new_id`, `found`: see
        `claim_epoch`. Raises FormatError, StorageUnusable.
        """
        with database.writing() as sql:
            migrate(sql, VERSION, _TABLES, _MIGRATIONS)
            return cls(database, claim_epoch(sql, new_id, found))

    def when_lost(self, act: Callable[[], object]) -> None:
        """See Postgres."""
        self._database.when_lost(act)

    def reading(self) -> AbstractContextManager[Statements]:
        return self._database.reading()

    @contextmanager
    def _writing(self) -> Iterator[Statements]:
        with self._database.writing() as sql:
            sql.execute("SELECT FROM head FOR UPDATE")  # who comes next waits here, and sees what was written
            yield sql

    def scrub(self) -> bool:
        """True: what is left in the database's files, its log and its backups is for whoever runs it."""
        return True

    def close(self) -> None:
        """Let go of the database; a second call does nothing."""
        self._database.close()


def migrate(sql: Statements, version: int, tables: str, migrations: Mapping[int, str]) -> None:
    """Bring the schema to format `version`, for the one who leads. Raises FormatError, having changed nothing."""
    found = read_format(sql)
    if found > version or any(step not in migrations for step in range(found or version, version)):
        raise FormatError(
            f"the state in PostgreSQL has format {found}, this tipstaff reads {version}: run one that does"
        )
    if found == version:
        return
    if not found:
        if not sql.execute("SELECT to_regnamespace(?)", (SCHEMA,)).fetchone()[0]:
            sql.execute(f"CREATE SCHEMA {SCHEMA}")
        sql.execute("CREATE TABLE format (version integer NOT NULL)")
        sql.execute("INSERT INTO format VALUES (?)", (version,))
    for script in [migrations[step] for step in range(found, version)] if found else [tables]:
        for statement in script.split(";"):
            sql.execute(statement)
    sql.execute("UPDATE format SET version = ?", (version,))


def is_made(sql: Sql) -> bool:
    """Whether there are tables, for one who only looks. Raises FormatError for those of another tipstaff."""
    found = read_format(sql)
    if found not in (0, VERSION):
        raise FormatError(f"the state in PostgreSQL has format {found}, this tipstaff reads {VERSION}")
    return bool(found)


def read_format(sql: Sql) -> int:
    """Of the schema; 0: there is none yet."""
    if sql.execute("SELECT to_regclass(?)", (f"{SCHEMA}.format",)).fetchone()[0] is None:
        return 0
    return int(sql.execute("SELECT version FROM format").fetchone()[0])
