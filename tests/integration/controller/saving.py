"""A process that saves step after step until it is killed, and what a store has after a number of them."""

import sys
from pathlib import Path

from gateway.controller.postgres_state import PostgresStateStore
from gateway.controller.sqlite_state import SqliteStateStore
from gateway.core.routing import ModelRoute, RoutingTable
from gateway.ports import RolloutStep, StateStore, UnitChanges
from tests.contract.state_store import decision
from tests.support.postgres import connect

_UNITS = 600
"""Rows of one save."""

_ROUND = 5
"""Every so many saves one says that the rollout ended, which forgets its units."""

_FORGET = 700


def _unit(save: int, place: int) -> bytes:
    return b"%07d.%08d" % (save % _ROUND, place)


def _number(save: int, place: int) -> int:
    return save * _UNITS + place + 1


def _step(save: int) -> RolloutStep:
    """Save `save` ends it at times; else it writes its rows, opens a period for each and closes those before."""
    if save % _ROUND == 0:
        return RolloutStep("r1", "org/model", b"%d" % save * 5000, True, UnitChanges(), (b"%d" % save,))  # noqa: FBT003
    units = [_unit(save, place) for place in range(_UNITS)]
    changes = UnitChanges(
        dict.fromkeys(units, b"%060d" % save),
        [(_number(save, place), unit) for place, unit in enumerate(units)],
        popped=_number(save, -1),
    )
    return RolloutStep("r1", "org/model", b"%d" % save * 5000, False, changes, (b"%d" % save,))  # noqa: FBT003


def _table(store_id: str, epoch: int, version: int, save: int) -> RoutingTable:
    route = ModelRoute(b"salt", (), "decision", save, "a save")
    return RoutingTable(store_id, epoch, version, {"org/model": route})


def expected(save: int) -> tuple[object, ...]:
    """What `found` returns of a store whose last save was number `save`."""
    last = _step(save)
    since = range(save - save % _ROUND + 1, save + 1)
    rows = {_unit(earlier, place): b"%060d" % earlier for earlier in since for place in range(_UNITS)}
    return (
        save,
        [f"d{number}" for number in range(1, save + 1)],
        (last.state, last.ended),
        rows,
        last.units.pushed,
        [b"%d" % number for number in range(1, save + 1)],
    )


def found(store: StateStore) -> tuple[object, ...]:
    """Everything that a save changes: table, decisions, rollout, rows, queue, inputs."""
    table, (rollout,) = store.table(), store.rollouts()
    wanted = [_unit(save, place) for save in range(_ROUND) for place in range(_UNITS)]
    return (
        table and table.models["org/model"].decided_at_us,
        [kept.id for _, kept in store.decisions(0, 1_000_000)],
        (rollout.state, rollout.ended),
        store.units("r1", wanted),
        store.queue("r1", 0, 1_000_000),
        store.inputs("r1"),
    )


def opened(target: str) -> StateStore:
    """The store at a path, or in the database of a URL."""
    if target.startswith("postgresql:"):
        return PostgresStateStore.open(connect(target), "a-store")
    return SqliteStateStore.open(Path(target), "a-store")


def run(target: str) -> None:
    """Go on after the last save; each one that is durable is printed."""
    store = opened(target)
    save = store.positions().get("scorer-0", 0)
    while True:
        save += 1
        head = store.head()
        table = _table(head.store_id, head.epoch, head.version + 1, save)
        store.save(head, table, [decision(save)], {"scorer-0": save}, [_step(save)])
        print(save, flush=True)
        store.forget_some(_FORGET)


if __name__ == "__main__":
    run(sys.argv[1])
