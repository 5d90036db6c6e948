"""The constitutions that were in force here, one after another, kept with the controller's state.

A list of all of them is one value, each one's content another, which is written first: what is listed can be read.
"""

import msgspec
import structlog

from classifiers.constitution import Constitution, canonical_json
from classifiers.difference import Change, compare
from gateway.ports import StateStore

log = structlog.get_logger(__name__)

_LIST = "constitutions"
_ONE = "constitution "


class Changed(msgspec.Struct, frozen=True):
    """How many principles a constitution has otherwise than the one before it; `changed`: or in another place."""

    added: int
    removed: int
    changed: int


class Version(msgspec.Struct, frozen=True):
    """One of them. `since_us`: when a controller first began with it. `changed`: None for the first of all, and
    where the one before it could not be read.
    """

    hash: str
    title: str
    principles: int
    since_us: int
    changed: Changed | None = None


class Constitutions:
    """See the module. `in_force`: the one that this controller reads verdicts by. Raises as the store does."""

    def __init__(self, store: StateStore, in_force: Constitution) -> None:
        self._store = store
        self.in_force = in_force

    def note(self, now_us: int) -> None:
        """Keep the one in force, unless it was in force before. Raises StaleHead."""
        kept, law = self._kept(), self.in_force
        if any(each.hash == law.hash for each in kept):
            return
        before = self._before(kept)
        changed = None if before is None else _changed(before, law)
        added = Version(law.hash, law.title, len(law.principles), now_us, changed)
        self._store.keep(_ONE + law.hash, canonical_json(law))
        self._store.keep(_LIST, msgspec.json.encode([*kept, added]))

    def versions(self) -> list[Version]:
        """All of them, by when each was first in force, the newest first."""
        return self._kept()[::-1]

    def get(self, content_hash: str) -> Constitution | None:
        """The one with that hash; None: it was never in force here."""
        if content_hash == self.in_force.hash:
            return self.in_force
        found = self._store.named(_ONE + content_hash)
        return None if found is None else msgspec.json.decode(found, type=Constitution)

    def _before(self, kept: list[Version]) -> Constitution | None:
        try:
            return self.get(kept[-1].hash) if kept else None
        except msgspec.DecodeError as error:  # a later tipstaff's: no reason not to start
            log.warning("the constitution before this one cannot be read", hash=kept[-1].hash, error=str(error))
            return None

    def _kept(self) -> list[Version]:
        """Oldest first."""
        found = self._store.named(_LIST)
        return [] if found is None else msgspec.json.decode(found, type=list[Version])


def _changed(before: Constitution, after: Constitution) -> Changed:
    count = compare(before, after).count
    return Changed(count(Change.ADDED), count(Change.REMOVED), count(Change.CHANGED, Change.MOVED))
