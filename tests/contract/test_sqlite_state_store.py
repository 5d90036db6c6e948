"""The SQLite engine under the contract of all state stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.controller.sqlite_state import SqliteStateStore
from gateway.ports import StateStore
from tests.contract.state_store import OpenStore, StateStoreContract


class TestSqliteStateStore(StateStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Iterator[OpenStore]:
        opened: list[StateStore] = []

        def open_it() -> StateStore:
            opened.append(SqliteStateStore.open(tmp_path / "controller" / "state.sqlite", "a-new-store"))
            return opened[-1]

        yield open_it
        for store in opened:
            store.close()
