"""What every engine of `gateway.ports.StateStore` must do. Subclass it and give `open_store`."""

import msgspec
import pytest

from gateway.controller import chain
from gateway.core.routing import ArmShare, ModelRoute, RoutingTable
from gateway.events.schema import DecisionV1, WeightChanged
from gateway.ports import Head, StaleHead
from tests.contract.state_store_rollouts import OpenStore, RolloutContract

__all__ = ["OpenStore", "StateStoreContract"]


def table(head: Head, weight: float = 0.1) -> RoutingTable:
    arms = (ArmShare("stable", 1 - weight), ArmShare("canary", weight))
    route = ModelRoute(b"\x00\xffsalt", arms, "operator", 5, "a reason, ünïcode")
    return RoutingTable(head.store_id, head.epoch, head.version + 1, {"org/model": route})


def decision(number: int) -> DecisionV1:
    changed = WeightChanged({"stable": 1.0}, {"stable": 0.9, "canary": 0.1})
    return DecisionV1(f"d{number}", number, "org/model", "operator", "operator", "why", changed, number, "")


class StateStoreContract(RolloutContract):
    """Every test opens its own storage through the fixture `open_store`."""

    def test_a_new_store_has_a_head_and_nothing_else(self, open_store: OpenStore) -> None:
        store = open_store()
        head = store.head()
        assert head.store_id
        assert head.epoch >= 1
        assert store.table() is None
        assert store.decisions(0, 10) == []
        assert store.positions() == {}

    def test_saving_moves_the_head_and_keeps_everything(self, open_store: OpenStore) -> None:
        store = open_store()
        head = store.head()
        wanted = table(head)
        moved = store.save(head, wanted, [decision(1)], {"scorer-0": 7})
        assert moved == Head(head.store_id, head.epoch, head.version + 1) == store.head()
        assert store.table() == wanted
        assert store.positions() == {"scorer-0": 7}
        assert [kept.id for _, kept in store.decisions(0, 10)] == ["d1"]

    def test_it_survives_being_closed(self, open_store: OpenStore) -> None:
        store = open_store()
        wanted = table(store.head())
        moved = store.save(store.head(), wanted, [decision(1)], {"scorer-0": 7})
        store.close()
        store.close()
        again = open_store()
        assert again.table() == wanted
        assert again.positions() == {"scorer-0": 7}
        assert (again.head().store_id, again.head().version) == (moved.store_id, moved.version)

    def test_a_stale_head_changes_nothing(self, open_store: OpenStore) -> None:
        store = open_store()
        old = store.head()
        store.save(old, table(old), [], {"scorer-0": 1})
        before = (store.head(), store.table(), store.positions())
        with pytest.raises(StaleHead):
            store.save(old, table(old, 0.5), [decision(1)], {"scorer-0": 2})
        assert (store.head(), store.table(), store.positions()) == before
        assert store.decisions(0, 10) == []

    def test_a_table_of_another_version_or_store_is_refused_whole(self, open_store: OpenStore) -> None:
        store = open_store()
        head = store.head()
        for wrong in (
            msgspec.structs.replace(table(head), version=head.version + 2),
            msgspec.structs.replace(table(head), store_id="another"),
            msgspec.structs.replace(table(head), epoch=head.epoch + 1),
        ):
            with pytest.raises(ValueError, match="table"):
                store.save(head, wrong, [decision(1)])
        assert store.head() == head
        assert store.decisions(0, 10) == []

    def test_positions_alone_leave_the_table_as_it_is(self, open_store: OpenStore) -> None:
        store = open_store()
        wanted = table(store.head())
        head = store.save(store.head(), wanted, [])
        store.save(head, wanted, [], {"scorer-0": 3, "scorer-1": 4})
        assert store.table() == wanted
        assert store.positions() == {"scorer-0": 3, "scorer-1": 4}

    def test_whoever_opens_next_fences_the_one_before(self, open_store: OpenStore) -> None:
        paused = open_store()
        active = open_store()
        assert active.head().epoch > 1
        with pytest.raises(StaleHead):
            paused.save(paused.head(), table(paused.head()), [])
        active.save(active.head(), table(active.head()), [])

    def test_small_values_are_kept_by_name(self, open_store: OpenStore) -> None:
        store = open_store()
        assert store.named("levels/org/model") is None
        for value in (b"one", b"", b"\x00two"):
            store.keep("levels/org/model", value)
            assert store.named("levels/org/model") == value
        assert store.named("levels") is None
        head = store.head()
        store.close()
        again = open_store()
        assert again.named("levels/org/model") == b"\x00two"
        assert again.head().version == head.version
        later = open_store()
        with pytest.raises(StaleHead):
            again.keep("levels/org/model", b"three")
        assert later.named("levels/org/model") == b"\x00two"

    def test_decisions_are_chained_over_saves_and_restarts(self, open_store: OpenStore) -> None:
        store = open_store()
        store.save(store.head(), table(store.head()), [decision(1), decision(2)])
        store.close()
        again = open_store()
        again.save(again.head(), table(again.head()), [decision(3)])
        kept = [entry for _, entry in again.decisions(0, 10)]
        assert kept[0].previous == chain.GENESIS
        assert chain.first_break(kept) is None
        assert chain.first_break([kept[0], kept[2]]) == 1
        assert chain.first_break([msgspec.structs.replace(kept[0], reason="another"), *kept[1:]]) == 1

    def test_decisions_are_paged_in_order(self, open_store: OpenStore) -> None:
        store = open_store()
        store.save(store.head(), table(store.head()), [decision(number) for number in range(1, 6)])
        first = store.decisions(0, 2)
        assert [entry.id for _, entry in first] == ["d1", "d2"]
        rest = store.decisions(first[-1][0], 10)
        assert [entry.id for _, entry in rest] == ["d3", "d4", "d5"]
        assert store.decisions(rest[-1][0], 10) == []
        newest = store.newest_decisions(2**62, 2)
        assert [entry.id for _, entry in newest] == ["d5", "d4"]
        older = store.newest_decisions(newest[-1][0], 10)
        assert [entry.id for _, entry in older] == ["d3", "d2", "d1"]
        assert store.newest_decisions(older[-1][0], 10) == []
