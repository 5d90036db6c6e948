"""Does the chain of decisions hold, as it is stored: every hash made again, from the first one on."""

from collections.abc import Iterator

import msgspec

from gateway.controller import chain
from gateway.controller.kept_for import KeptFor
from gateway.controller.state_store import SqlStateStore
from gateway.ports import Clock

_PAGE = 1000
_FRESH_SECONDS = 60.0


class Checked(msgspec.Struct, frozen=True):
    """`checked` decisions were looked at; `head`: hash of the last that follows from the one before and is as it
    was stored; `broken_at`: number of the first that does not, or is not. `time_us`: of the look, microseconds.
    """

    checked: int
    head: str
    broken_at: int | None
    said: str
    time_us: int


class ChainCheck:
    """Looks again when there are more decisions, and once a minute. From any thread."""

    def __init__(self, store: SqlStateStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._last = KeptFor(_FRESH_SECONDS, clock, self._look)

    def seen(self) -> Checked:
        """What was found. Raises StateStore's errors."""
        return self._last.get(self._store.last_number())

    def _look(self) -> Checked:
        seen: list[tuple[int, str]] = []
        head = chain.GENESIS
        try:
            for digest, follows in chain.hashes(self._bodies(seen)):
                if not follows:
                    return self._broken(seen, head, "does not follow from the one before: it or that was changed")
                if digest != seen[-1][1]:  # of the last one no other decision speaks
                    return self._broken(seen, head, "has another hash than was stored with it: it was changed")
                head = digest
        except msgspec.DecodeError as error:
            return self._broken(seen, head, f"cannot be read: {error}")
        said = f"all {len(seen):,} decisions follow from one another" if seen else "nothing was decided yet"
        return Checked(len(seen), head, None, said, self._clock.now_us())

    def _bodies(self, seen: list[tuple[int, str]]) -> Iterator[bytes]:
        """All of them; each one's number and stored hash are in `seen` before it is given."""
        after = 0
        while page := self._store.bodies(after, _PAGE):
            for number, body, made in page:
                seen.append((number, made))
                yield body
            after = page[-1][0]

    def _broken(self, seen: list[tuple[int, str]], head: str, why: str) -> Checked:
        number = seen[-1][0]
        return Checked(len(seen), head, number, f"decision {number} {why}", self._clock.now_us())
