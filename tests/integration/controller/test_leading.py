"""Who may lead over a shared state: one that deals units by its key, and whose table is of its store."""

from contextlib import closing
from pathlib import Path

import pytest

from gateway import unitkeys
from gateway.app.seat import leading
from gateway.configfile import parse
from gateway.controller.database import StorageUnusable
from gateway.layout import DataFolder
from gateway.settings import Settings, State
from gateway.tablefile import write_table
from tests.contract.state_store import table
from tests.support.manual_clock import ManualClock

MODELS = {"assistant": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:1"]}}}}


class Gateway:
    def __init__(self, folder: Path, url: str, name: str, key: str = "1" * 64) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.key(key)
        self._url = url
        self._name = name

    def key(self, key: str) -> None:
        (self.folder / "key").write_text(key)

    @property
    def settings(self) -> Settings:
        raw = {
            "models": MODELS,
            "unit_key_file": "key",
            "events": {"source": self._name},
            "state": {"url": self._url},
        }
        return parse(raw, self.folder, {})

    @property
    def data(self) -> DataFolder:
        found = DataFolder(self.settings.data)
        found.unit_key_in_use.parent.mkdir(parents=True, exist_ok=True)
        found.table.parent.mkdir(parents=True, exist_ok=True)
        return found

    def leads(self, *, adopt: bool = False) -> int:
        """The epoch in which it has led for a moment; 0: another one leads."""
        settings = self.settings
        assert isinstance(settings.state, State)
        with unitkeys.used(settings, self.data, 1, list):
            store = leading(settings, settings.state, ManualClock(), adopt=adopt)
        if store is None:
            return 0
        with closing(store):
            return store.head().epoch


def test_another_unit_key_is_for_one_who_had_the_last_one_too(database: str, tmp_path: Path) -> None:
    north = Gateway(tmp_path, database, "north")
    assert north.leads() == 1
    other = Gateway(tmp_path, database, "other", "2" * 64)
    with pytest.raises(StorageUnusable, match="give all the same unit_key_file"):
        other.leads()
    north.key("2" * 64)
    assert north.leads() == 2
    assert other.leads() == 3


def test_a_table_of_another_store_is_given_up_by_an_operators_word_only(database: str, tmp_path: Path) -> None:
    assert Gateway(tmp_path, database, "north").leads() == 1
    other = Gateway(tmp_path, database, "other")
    settings = other.settings
    assert settings.state is not None
    ours = leading(settings, settings.state, ManualClock())
    assert ours is not None
    foreign = table(ours.head())
    ours.close()
    write_table(other.data.table, type(foreign)("another-store", 7, 7, foreign.models))
    with pytest.raises(StorageUnusable, match="restart with --adopt"):
        other.leads()
    assert other.leads(adopt=True) == 3


def test_a_database_that_was_restored_goes_on_behind_what_was_published(database: str, tmp_path: Path) -> None:
    north = Gateway(tmp_path, database, "north")
    settings = north.settings
    assert settings.state is not None
    store = leading(settings, settings.state, ManualClock())
    assert store is not None
    head = store.head()
    store.close()
    published = table(head)
    write_table(north.data.table, type(published)(head.store_id, 40, 2, published.models))
    assert north.leads() == 41
