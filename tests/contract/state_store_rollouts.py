"""The part of the state stores' contract that is about rollouts. `StateStoreContract` has it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import pytest

from gateway.core.routing import RoutingTable
from gateway.events.schema import DecisionV1, WeightChanged
from gateway.ports import Head, RolloutStep, StaleHead, StateStore, StoredRollout, UnitChanges


class OpenStore(Protocol):
    """Opens the same storage each time, as a restarted controller would."""

    def __call__(self) -> StateStore: ...


def unit(number: int) -> bytes:
    return number.to_bytes(4, "big") * 4


def some_rows(numbers: Sequence[int], body: bytes = b"row") -> dict[bytes, bytes]:
    return {unit(number): body + b"%d" % number for number in numbers}


def step(
    rollout: str = "r1",
    state: bytes = b"state",
    units: UnitChanges | None = None,
    inputs: Sequence[bytes] = (),
    *,
    ended: bool = False,
) -> RolloutStep:
    return RolloutStep(rollout, f"model-of-{rollout}", state, ended, units or UnitChanges(), tuple(inputs))


def save(store: StateStore, *steps: RolloutStep, positions: Mapping[str, int] | None = None) -> Head:
    head = store.head()
    table = RoutingTable(head.store_id, head.epoch, head.version + 1, {})
    return store.save(head, table, [], positions, steps)


def everything(store: StateStore) -> tuple[object, ...]:
    """All that a failed save must have left as it was."""
    wanted = [unit(number) for number in range(20)]
    named = [stored.rollout for stored in store.rollouts()]
    return (
        (store.head(), store.table(), store.positions(), store.decisions(0, 100), store.rollouts()),
        [(store.units(name, wanted), store.queue(name, 0, 100), store.inputs(name)) for name in named],
    )


class RolloutContract:
    """Every test opens its own storage through the fixture `open_store`."""

    def test_a_rollout_that_is_not_there_has_nothing(self, open_store: OpenStore) -> None:
        store = open_store()
        assert store.rollouts() == []
        assert store.units("r1", [unit(1)]) == {}
        assert store.queue("r1", 0, 10) == []
        assert store.inputs("r1") == []

    def test_a_step_is_kept_whole_and_survives_a_restart(self, open_store: OpenStore) -> None:
        store = open_store()
        units = UnitChanges(some_rows([1, 2]), [(1, unit(2)), (4, unit(1))])
        save(store, step(state=b"\x00\xff", units=units, inputs=[b"first", b"second"]))
        store.close()
        again = open_store()
        assert again.rollouts() == [StoredRollout("r1", "model-of-r1", b"\x00\xff", ended=False, number=1)]
        assert again.units("r1", [unit(2), unit(3), unit(1), unit(2)]) == some_rows([1, 2])
        assert again.queue("r1", 0, 10) == [(1, unit(2)), (4, unit(1))]
        assert again.inputs("r1") == [b"first", b"second"]

    def test_the_next_step_replaces_rows_and_state_and_adds_inputs(self, open_store: OpenStore) -> None:
        store = open_store()
        save(store, step(state=b"old", units=UnitChanges(some_rows([1, 2])), inputs=[b"a"]))
        rows = {unit(2): b"", unit(3): bytes(500)}
        save(store, step(state=b"", units=UnitChanges(rows), inputs=[b"b", b"a"]))
        assert store.rollouts() == [StoredRollout("r1", "model-of-r1", b"", ended=False, number=1)]
        assert store.units("r1", [unit(1), unit(2), unit(3)]) == some_rows([1]) | rows
        assert store.inputs("r1") == [b"a", b"b", b"a"]

    def test_steps_of_one_rollout_in_one_save_are_taken_in_order(self, open_store: OpenStore) -> None:
        store = open_store()
        first = step(state=b"1", units=UnitChanges(some_rows([1, 2]), [(1, unit(1))]), inputs=[b"a"])
        second = step(
            state=b"2", units=UnitChanges(some_rows([2], b"new"), [(2, unit(2))], popped=1), inputs=[b"b"]
        )
        save(store, first, second)
        assert [stored.state for stored in store.rollouts()] == [b"2"]
        assert store.units("r1", [unit(1), unit(2)]) == {unit(1): b"row1", unit(2): b"new2"}
        assert store.queue("r1", 0, 10) == [(2, unit(2))]
        assert store.inputs("r1") == [b"a", b"b"]

    def test_many_units_are_found_in_one_call(self, open_store: OpenStore) -> None:
        store = open_store()
        rows = some_rows(range(5000))
        save(store, step(units=UnitChanges(rows)))
        assert store.units("r1", [*map(unit, range(2500, 7500))]) == {
            key: rows[key] for key in map(unit, range(2500, 5000))
        }

    def test_the_queue_is_paged_in_the_order_of_its_numbers(self, open_store: OpenStore) -> None:
        store = open_store()
        save(store, step(units=UnitChanges(pushed=[(2, unit(9)), (300, unit(1))])))
        save(store, step(units=UnitChanges(pushed=[(70_000, unit(5)), (2**40, unit(9))])))
        first = store.queue("r1", 0, 3)
        assert first == [(2, unit(9)), (300, unit(1)), (70_000, unit(5))]
        assert store.queue("r1", first[-1][0], 3) == [(2**40, unit(9))]

    def test_what_is_popped_is_gone_also_of_the_same_step(self, open_store: OpenStore) -> None:
        store = open_store()
        save(store, step(units=UnitChanges(pushed=[(1, unit(1)), (2, unit(2)), (3, unit(3))], popped=1)))
        assert store.queue("r1", 0, 10) == [(2, unit(2)), (3, unit(3))]
        save(store, step(units=UnitChanges(pushed=[(4, unit(4)), (5, unit(5))], popped=4)))
        assert store.queue("r1", 0, 10) == [(5, unit(5))]

    def test_rollouts_side_by_side_do_not_touch_each_other(self, open_store: OpenStore) -> None:
        store = open_store()
        both = UnitChanges(some_rows([1, 2]), [(1, unit(1)), (2, unit(2))])
        save(store, step("r2", b"two", both, [b"two"]), step("r1", b"one", both, [b"one"]))
        save(
            store, step("r1", b"ended", UnitChanges(some_rows([1], b"mine"), [(3, unit(1))], popped=3), ended=True)
        )
        while store.forget_some(1):
            pass
        assert [(kept.rollout, kept.state, kept.number) for kept in store.rollouts()] == [
            ("r2", b"two", 1),
            ("r1", b"ended", 2),
        ]
        assert store.units("r2", [unit(1), unit(2)]) == some_rows([1, 2])
        assert store.queue("r2", 0, 10) == both.pushed
        assert (store.inputs("r2"), store.inputs("r1")) == ([b"two"], [b"one"])

    def test_everything_is_saved_or_nothing(self, open_store: OpenStore) -> None:
        store = open_store()
        save(store, step(units=UnitChanges(some_rows([1, 2]), [(5, unit(1))]), inputs=[b"a"]))
        before = everything(store)
        good = step(state=b"new", units=UnitChanges(some_rows([2, 3]), [(6, unit(2))], 5), inputs=[b"b"])
        for bad in (
            step("r2", units=UnitChanges(some_rows([1]), [(2, unit(1)), (2, unit(3))])),
            step("r1", units=UnitChanges(pushed=[(6, unit(1))])),
            step("r1", units=UnitChanges(pushed=[(0, unit(1))])),
            msgspec.structs.replace(step("r1", units=UnitChanges(some_rows([4]))), model="another"),
        ):
            head = store.head()
            table = RoutingTable(head.store_id, head.epoch, head.version + 1, {})
            changed = WeightChanged({}, {"canary": 0.1})
            decision = DecisionV1("d", 1, "model", "decision", "rollout", "why", changed, 1, "")
            with pytest.raises(ValueError, match=r"rollout|numbers must grow"):
                store.save(head, table, [decision], {"scorer-0": 9}, [good, bad])
            assert everything(store) == before
        assert store.forget_some(100) == 0
        save(store, good)
        assert store.units("r1", [unit(1), unit(2), unit(3)]) == some_rows([1, 2, 3])

    def test_a_stale_head_saves_no_step(self, open_store: OpenStore) -> None:
        store = open_store()
        head = store.head()
        save(store, step(units=UnitChanges(some_rows([1]), [(1, unit(1))]), inputs=[b"a"]))
        before = everything(store)
        table = RoutingTable(head.store_id, head.epoch, head.version + 1, {})
        with pytest.raises(StaleHead):
            store.save(
                head, table, [], None, [step(state=b"new", units=UnitChanges(some_rows([2])), inputs=[b"b"])]
            )
        assert everything(store) == before

    def test_whoever_opens_next_fences_every_write_of_the_one_before(self, open_store: OpenStore) -> None:
        paused = open_store()
        save(paused, step(units=UnitChanges(some_rows([1]))))
        save(paused, step(ended=True))
        active = open_store()
        before = everything(active)
        with pytest.raises(StaleHead):
            save(paused, step(state=b"late", units=UnitChanges(some_rows([1], b"late"))))
        with pytest.raises(StaleHead):
            paused.forget_some(10)
        assert everything(active) == before == everything(paused)
        assert active.forget_some(10) == 1

    def test_an_ended_rollout_keeps_state_and_inputs_when_its_units_go(self, open_store: OpenStore) -> None:
        store = open_store()
        units = UnitChanges(some_rows(range(10)), [(number, unit(number)) for number in range(1, 8)])
        save(store, step(units=units))
        save(store, step(state=b"the end", units=units, inputs=[b"a"], ended=True))
        assert store.units("r1", list(units.rows)) == {}
        assert store.queue("r1", 0, 10) == []
        assert [store.forget_some(4) for _ in range(6)] == [4, 4, 4, 4, 1, 0]
        assert [(kept.state, kept.ended) for kept in store.rollouts()] == [(b"the end", True)]
        assert store.inputs("r1") == [b"a"]

    def test_what_was_forgotten_does_not_come_back(self, open_store: OpenStore) -> None:
        store = open_store()
        save(store, step(units=UnitChanges(some_rows(range(9)), [(1, unit(1)), (2, unit(2))])))
        save(store, step(ended=True))
        assert store.forget_some(5) == 5
        store.close()
        again = open_store()
        save(again, step("r2", units=UnitChanges(some_rows([7]))))
        gone = 0
        while found := again.forget_some(3):
            gone += found
        assert gone == 9 + 2 - 5
        assert again.units("r1", [unit(number) for number in range(9)]) == {}
        assert again.units("r2", [unit(number) for number in range(9)]) == some_rows([7])

    def test_a_unit_goes_under_another_name(self, open_store: OpenStore) -> None:
        store = open_store()
        changes = UnitChanges(some_rows((1, 2, 3)), [(1, unit(2)), (2, unit(3)), (3, unit(2))])
        save(store, step("r1", units=changes, inputs=[b"about " + unit(2), b"about " + unit(3)]))
        save(store, step("r2", units=UnitChanges(some_rows((2,)))))
        store.rename_unit(unit(2), unit(9))
        assert store.units("r1", [unit(number) for number in range(10)]) == {
            unit(1): b"row1",
            unit(9): b"row2",
            unit(3): b"row3",
        }
        assert store.queue("r1", 0, 10) == [(1, unit(9)), (2, unit(3)), (3, unit(9))]
        assert store.inputs("r1") == [b"about " + unit(9), b"about " + unit(3)]
        assert store.units("r2", [unit(2), unit(9)]) == {unit(9): b"row2"}
        store.rename_unit(unit(2), unit(8))  # once more, as after a crash: there is nothing left to rename
        assert store.units("r1", [unit(8)]) == {}
        assert store.scrub()

    def test_a_fenced_store_renames_nothing(self, open_store: OpenStore) -> None:
        old, new = open_store(), open_store()
        save(new, step("r1", units=UnitChanges(some_rows((1,)))))
        with pytest.raises(StaleHead):
            old.rename_unit(unit(1), unit(2))
        assert new.units("r1", [unit(1)]) == {unit(1): b"row1"}
