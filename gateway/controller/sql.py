"""What both engines of the state store speak: SQL with `?` for values, over a connection inside a transaction."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol


class Rows(Protocol):
    """What a statement found."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchone(self) -> Any:  # noqa: ANN401 - a row, or None
        """The next row."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Sql(Protocol):
    """A connection inside a transaction: `sqlite3.Connection`, or `gateway.controller.postgres.Statements`."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Rows:
        """One statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """One statement for each of them, in order."""
