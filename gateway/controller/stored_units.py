"""Rows of a rollout's units over the state store: read ahead in bulk, written with the step that changed them."""

from collections import deque
from collections.abc import Iterable

import msgspec

from gateway.ports import StateStore, UnitChanges
from gateway.rollout.units import UnitRow

_KEPT = 200_000
"""Rows that stay in memory from step to step."""
_AHEAD = 500

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(UnitRow).decode


class StoredUnits:
    """`gateway.rollout.units.Units`. Nothing is written here: `changes` is for the caller's transaction.

    `last`: the number of the period that opened last, as it was saved; 0 for a new rollout.
    """

    def __init__(self, store: StateStore, rollout: str, last: int) -> None:
        self._store = store
        self._rollout = rollout
        self._rows: dict[bytes, UnitRow | None] = {}
        self._changed: set[bytes] = set()
        self._front: deque[tuple[int, bytes]] = deque()
        self._pushed: list[tuple[int, bytes]] = []
        self._in_store = self.last = last
        self._taken = self._popped = 0

    def read_ahead(self, units: Iterable[bytes]) -> None:
        """These are about to be asked for."""
        wanted = [unit for unit in set(units) if unit not in self._rows]
        if wanted:
            found = self._store.units(self._rollout, wanted)
            for unit in wanted:
                self._rows[unit] = _decode(found[unit]) if unit in found else None

    def get(self, unit: bytes) -> UnitRow | None:
        """See Units."""
        if unit not in self._rows:
            self.read_ahead((unit,))
        return self._rows[unit]

    def put(self, unit: bytes, row: UnitRow) -> None:
        """See Units."""
        self._rows[unit] = row
        self._changed.add(unit)

    def push(self, unit: bytes) -> None:
        """See Units."""
        self.last += 1
        self._pushed.append((self.last, unit))

    def first(self) -> bytes | None:
        """See Units."""
        if not self._front:
            self._fill()
        return self._front[0][1] if self._front else None

    def pop(self) -> None:
        """See Units."""
        self._popped, _ = self._front.popleft()

    def changes(self) -> UnitChanges:
        """What changed since `saved` was called last."""
        rows = {unit: _encode(self._rows[unit]) for unit in self._changed}
        return UnitChanges(rows=rows, pushed=list(self._pushed), popped=self._popped)

    def saved(self) -> None:
        """What `changes` gave is in the store."""
        self._changed.clear()
        self._pushed.clear()
        self._in_store = self.last
        if len(self._rows) > _KEPT:
            self._rows.clear()

    def _fill(self) -> None:
        """The next open periods to the front: those in the store, then those that opened since it was written."""
        if self._taken < self._in_store:
            self._front.extend(self._store.queue(self._rollout, self._taken, _AHEAD))
            self._taken = self._front[-1][0] if self._front else self._in_store
        if not self._front:
            self._front.extend(item for item in self._pushed if item[0] > self._taken)
            self._taken = self._front[-1][0] if self._front else self._taken
        if self._front:
            self.read_ahead(unit for _, unit in self._front)
