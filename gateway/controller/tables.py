"""The routing table's owner: decides it at the start, changes it on an operator's word, publishes every one."""

import threading
from collections.abc import Callable, Mapping, Sequence
from os import urandom
from typing import Protocol

import msgspec
import structlog

from gateway.controller import weights
from gateway.controller.known_stores import KnownStores
from gateway.controller.past import pasts
from gateway.controller.weights import Change, Wish
from gateway.core.ids import exchange_id
from gateway.core.routing import RoutingTable
from gateway.events.schema import DecisionV1
from gateway.layout import DataFolder
from gateway.ports import Clock, Head, RolloutStep, StateStore
from gateway.settings import Model
from gateway.tablefile import BadTable, read_table, write_table

log = structlog.get_logger(__name__)


class Saving(msgspec.Struct, frozen=True):
    """What is saved in one transaction beside the table; `change`: one model's new route, if there is one."""

    change: Change | None = None
    decisions: Sequence[DecisionV1] = ()
    steps: Sequence[RolloutStep] = ()


class UnknownModel(Exception):
    """No such model in the routing table."""


class Conflict(Exception):
    """The table moved on since the caller looked."""


def check_model(tables: "Tables", model: str) -> None:
    """Raises UnknownModel, which names those that there are."""
    models = tables.current().models
    if model not in models:
        raise UnknownModel(f"{model!r}: there are {', '.join(sorted(models))}")


def wishes(models: Mapping[str, Model]) -> dict[str, Wish]:
    """What the configuration says, model by model."""
    return {
        name: Wish(tuple(model.arms), model.weights, {arm: said.version for arm, said in model.arms.items()})
        for name, model in models.items()
    }


class Elsewhere(Exception):
    """How units are split is decided by another controller."""


def refuse_elsewhere(tables: "Tables", *, found: bool = False) -> None:
    """Raises Elsewhere where another controller has what is asked for, and nothing was `found` here."""
    if tables.elsewhere and not found:
        raise Elsewhere(tables.elsewhere)


class Tables(Protocol):
    """The routing table in force, and whoever may change it. Safe to call from any thread."""

    @property
    def published(self) -> bool:
        """True when the file of the proxies holds the table in force, as far as this process knows."""

    @property
    def elsewhere(self) -> str:
        """Who decides, where this controller does not, in a sentence; empty: this one."""

    @property
    def latest(self) -> RoutingTable | None:
        """The one that was published last, without a look at any storage; None: none yet."""

    @property
    def age_seconds(self) -> float | None:
        """Since whoever decides elsewhere last said which one is in force, or the start; None: decided here."""

    @property
    def warnings(self) -> list[str]:
        """What an operator should know, a sentence each."""

    def current(self) -> RoutingTable:
        """The table in force."""

    def publish(self) -> None:
        """Write the table's file where an earlier attempt failed, or where the file is gone. Raises OSError."""

    def set_weights(
        self,
        model: str,
        shares: Mapping[str, float],
        reason: str,
        actor: str = "operator",
        expected_version: int | None = None,
    ) -> RoutingTable:
        """An operator's word. Raises Elsewhere where it is not for this controller to decide."""

    def save_with(self, build: Callable[[Head], Saving]) -> RoutingTable:
        """A rollout's word. Raises Elsewhere where it is not for this controller to decide."""


class RoutingTables:
    """The current table, in the state store and in the file that proxies poll. Safe to call from any thread.

    `on_decision` hears of each decision that is made here, after it was saved; not of those that `save_with` saves.
    """

    def __init__(
        self,
        store: StateStore,
        data: DataFolder,
        known: KnownStores,
        clock: Clock,
        entropy: Callable[[int], bytes] = urandom,
        on_decision: Callable[[DecisionV1], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._on_decision = on_decision
        self._data = data
        self._known = known
        self._clock = clock
        self._entropy = entropy
        self._lock = threading.Lock()
        self._published: RoutingTable | None = None

    def start(self, models: Mapping[str, Wish]) -> RoutingTable:
        """Settle what this run starts with, by the order of precedence, and publish it.

        Raises OSError when the file cannot be written and StateStore's errors.
        """
        with self._lock:
            stored, now = self._store.table(), self._clock.now_us()
            lost = stored is None and self._was_known_otherwise()
            past = pasts(self._store.rollouts())
            changes = weights.at_start(stored, models, now, lambda: self._entropy(16), lost=lost, pasts=past)
            if lost:
                log.warning("the state of this data folder was lost: arms wait at 0 % until an operator speaks")
            if changes or stored is None or self._is_outrun(stored):
                self._save(stored, changes)
            self._known.remember(self._data.root, self._store.head().store_id, now)
            return self._publish()

    def _is_outrun(self, stored: RoutingTable) -> bool:
        """Whether a later table was published than the store has: one that was restored. Nobody would take ours."""
        try:
            published = read_table(self._data.table)
        except BadTable:
            return False
        return published is not None and published.replaces(stored)

    def _was_known_otherwise(self) -> bool:
        known = self._known.find(self._data.root)
        return known is not None and known.store_id != self._store.head().store_id

    @property
    def elsewhere(self) -> str:
        """See Tables."""
        return ""

    @property
    def latest(self) -> RoutingTable | None:
        """See Tables."""
        return self._published

    @property
    def age_seconds(self) -> None:
        """See Tables."""

    @property
    def warnings(self) -> list[str]:
        """None: what stands in its way fails where it is asked."""
        return []

    @property
    def published(self) -> bool:
        """True when the file of the proxies holds the table in force, as far as this process knows."""
        with self._lock:
            return self._published is not None and self._published == self._store.table()

    def current(self) -> RoutingTable:
        """The table in force. Raises UnknownModel before `start`."""
        table = self._store.table()
        if table is None:
            raise UnknownModel("there is no routing table yet: the controller is starting")
        return table

    def set_weights(
        self,
        model: str,
        shares: Mapping[str, float],
        reason: str,
        actor: str = "operator",
        expected_version: int | None = None,
    ) -> RoutingTable:
        """Give `model` these shares in [0, 1], as an operator, and publish the table.

        Raises UnknownModel, ValueError for weights that cannot be, Conflict or StaleHead when the table moved,
        OSError when it is decided and stored but could not be published yet (`publish` tries again).
        """
        with self._lock:
            table = self.current()
            route = table.models.get(model)
            if route is None:
                raise UnknownModel(f"no model {model!r}: there are {', '.join(sorted(table.models))}")
            if expected_version is not None and expected_version != table.version:
                raise Conflict(f"the table is at version {table.version}, not {expected_version}: look again")
            now = self._clock.now_us()
            change = weights.by_operator(model, route, shares, now, actor=actor, reason=reason)
            self._save(table, [change])
            return self._publish()

    def save_with(self, build: Callable[[Head], Saving]) -> RoutingTable:
        """Save what `build` makes for the head that this moves to; publish the table if it changed.

        Raises StateStore's errors, having changed nothing. A table that is saved and cannot be published now is
        published by `publish`.
        """
        with self._lock:
            table, head = self.current(), self._store.head()
            saving = build(Head(head.store_id, head.epoch, head.version + 1))
            after = table if saving.change is None else weights.revised(table, [saving.change], head)
            self._store.save(head, after, saving.decisions, steps=saving.steps)
            if saving.change is not None:
                _tell(saving.change)
                self._publish_soon()
            return after

    def _publish_soon(self) -> None:
        try:
            self._publish()
        except OSError as error:
            log.error("the routing table cannot be published, trying again", error=str(error))  # noqa: TRY400

    def publish(self) -> None:
        """Write the table's file where an earlier attempt failed, or where the file is gone. Raises OSError."""
        with self._lock:
            if self._published != self._store.table() or not self._data.table.exists():
                self._publish()

    def _save(self, stored: RoutingTable | None, changes: list[Change]) -> None:
        head, now = self._store.head(), self._clock.now_us()
        table = weights.revised(stored, changes, head)
        decisions = [
            weights.decision(change, exchange_id(now, self._entropy(10)), now, table.version) for change in changes
        ]
        self._store.save(head, table, decisions)
        for change, made in zip(changes, decisions, strict=True):
            _tell(change)
            self._on_decision(made)

    def _publish(self) -> RoutingTable:
        table = self.current()
        write_table(self._data.table, table)
        self._published = table
        return table


def _tell(change: Change) -> None:
    after = None if change.after is None else {share.arm: share.weight for share in change.after.arms}
    log.info("weights", model=change.model, after=after, by=change.decided_by, reason=change.reason)
