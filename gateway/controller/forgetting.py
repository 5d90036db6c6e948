"""The controller's part of forgetting a person: see gateway.forgetting for the whole way."""

from collections.abc import Callable, Iterable
from os import urandom
from typing import Protocol

import msgspec
import structlog

from gateway.controller.index import ExchangeIndex, Placed
from gateway.controller.levels import Levels
from gateway.controller.rollouts import Rollouts
from gateway.controller.trail import AuditTrail
from gateway.core.assignment import unit_hash
from gateway.curation.store import LabelStore
from gateway.forgetting import Ended, ForgettingFolder, Request
from gateway.ports import Clock, StateStore

log = structlog.get_logger(__name__)

_ROWS = 20_000
"""Rows of the index that one turn of the loop looks through: some 50 ms."""
_BYTES = 16
_OWN = "controller"


class Scrubbed(Protocol):
    """What may still hold on the disk what was replaced in it."""

    def scrub(self) -> bool:
        """Nothing of that is left; False: not yet."""


class UnitForgetting:
    """`step` from the loop's thread, ahead of whatever takes verdicts from the index; all else from any thread.

    `unit_keys`: all that hashes in these files may be made with, `missing_keys`: but for those, by fingerprint.
    `workers`: the other processes that take part.
    """

    def __init__(  # noqa: PLR0913 - all that knows of units
        self,
        folder: ForgettingFolder,
        *,
        store: StateStore,
        index: ExchangeIndex,
        labels: LabelStore,
        rollouts: Rollouts,
        levels: Levels,
        trail: AuditTrail,
        clock: Clock,
        unit_keys: Callable[[], tuple[bytes, ...]],
        missing_keys: Callable[[], list[str]],
        workers: Iterable[str],
        horizon_us: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._index = index
        self._labels = labels
        self._rollouts = rollouts
        self._levels = levels
        self._trail = trail
        self._clock = clock
        self._unit_keys = unit_keys
        self.missing_keys = missing_keys
        self._workers = frozenset(workers)
        self._horizon_us = horizon_us
        self._scrubbed: tuple[Scrubbed, ...] = (store, index, labels)
        self._searched: dict[str, _Search] = {}
        folder.tidy()

    def ask(self, hashes: Iterable[bytes], actor: str) -> Request:
        """Begin to forget whoever has one of these hashes. Raises OSError, LogFull: then nothing has begun."""
        units = {unit.hex(): urandom(_BYTES).hex() for unit in hashes}
        request = Request(urandom(_BYTES).hex(), units, self._clock.now_us(), actor, urandom(_BYTES).hex())
        self._trail.tell(actor, "unit.forgotten", request.name, "asked")
        self._folder.write(request)
        return request

    def hashes_of(self, value: str) -> list[bytes]:
        """All hashes that a person with this id may have, as a user or as a conversation, under every key."""
        raw = value.encode()
        return [unit_hash(key, kind, raw) for key in self._unit_keys() for kind in ("user", "conversation")]

    def waits_for(self, request: Request) -> tuple[str, ...]:
        """Processes that have not done their part."""
        if not request.decided:
            return ("controller",)
        return tuple(sorted(self._workers - self._folder.done_by(request)))

    def under_way(self, name: str) -> Request | None:
        """The request of that name, if it is. Raises OSError."""
        return next((each for each in self._folder.requests() if each.name == name), None)

    def ended(self, name: str) -> Ended | None:
        """How it ended; None: there is none of that name, or it is under way."""
        return self._folder.ended(name) if name.isalnum() else None

    def step(self) -> int:
        """A piece of what is to be done; returns how much that was. Raises what the files do."""
        return sum(self._go_on(request) for request in self._folder.requests())

    def _go_on(self, request: Request) -> int:
        if not request.decided:
            return self._search(request)
        if _OWN not in self._folder.done_by(request):  # or this process has died since
            self._apply(request)
        if not self.waits_for(request):
            self._end(request)
        return 0

    def _search(self, request: Request) -> int:
        """Look for the person's exchanges, once all of them are in the index; decide when the last was found."""
        if self._horizon_us() < request.asked_us:
            return 0
        search = self._searched.setdefault(request.name, _Search())
        found, search.row, whole = self._index.of_units(list(request.renames), search.row, _ROWS)
        search.found += found
        if not whole:
            return 1
        limits = self._rollouts.read_to()
        if all(limit >= request.asked_us for limit in limits.values()):
            decided = msgspec.structs.replace(request, until_us=limits)
            named = [each.exchange_id for each in search.found if each.time_us <= decided.limit_us(each.model)]
            self._folder.decide(decided, named)
            del self._searched[request.name]
            self._apply(decided)
        return 0

    def _apply(self, request: Request) -> None:
        """Once, whoever dies when: whoever comes back in the meantime has another row under the old hash."""
        exchanges = self._folder.exchanges(request)
        for unit, to in request.renames.items():
            self._rollouts.rename_unit(unit, to)
            self._levels.rename_unit(unit, to)
        self._index.change(exchanges, request.renamed)
        self._labels.forget(exchanges)
        self._folder.did(request, _OWN)

    def _end(self, request: Request) -> None:
        if not all(each.scrub() for each in self._scrubbed):
            return
        exchanges = len(self._folder.exchanges(request))
        self._trail.note(request.actor, "unit.forgotten", request.name, f"{exchanges} exchanges")
        self._folder.end(Ended(request.name, request.asked_us, self._clock.now_us(), exchanges))
        log.info("a unit is forgotten", name=request.name, exchanges=exchanges)


class _Search:
    """How far the index was looked through for one of them."""

    def __init__(self) -> None:
        self.row = 0
        self.found: list[Placed] = []
