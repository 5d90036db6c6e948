"""The PostgreSQL engine under the contract of all state stores."""

from collections.abc import Iterator

import pytest

from gateway.controller.postgres_state import PostgresStateStore
from gateway.ports import StateStore
from tests.contract.state_store import OpenStore, StateStoreContract
from tests.support.postgres import connect


class TestPostgresStateStore(StateStoreContract):
    @pytest.fixture
    def open_store(self, database: str) -> Iterator[OpenStore]:
        opened: list[StateStore] = []

        def open_it() -> StateStore:
            opened.append(PostgresStateStore.open(connect(database), "a-new-store"))
            return opened[-1]

        yield open_it
        for store in opened:
            store.close()
