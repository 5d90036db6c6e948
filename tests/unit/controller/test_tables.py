from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import pytest

from gateway.configfile import parse
from gateway.controller.known_stores import KnownStores
from gateway.controller.recovery import open_state
from gateway.controller.tables import Conflict, RoutingTables, UnknownModel, wishes
from gateway.controller.weights import Wish
from gateway.layout import DataFolder
from gateway.tablefile import read_table
from tests.support.manual_clock import ManualClock
from tests.unit.controller.support import START

WISHES = {"assistant": Wish(("stable", "canary"), {"canary": 0.1})}


class Home:
    """One machine: a data folder, and markers outside of it."""

    def __init__(self, tmp_path: Path) -> None:
        self.data = DataFolder(tmp_path / "data")
        self.known = KnownStores(tmp_path / "state")
        self.clock = ManualClock(START)

    @contextmanager
    def controller(self) -> Iterator[RoutingTables]:
        store = open_state(self.data, self.clock)
        tables = RoutingTables(store, self.data, self.known, self.clock)
        tables.start(WISHES)
        yield tables
        store.close()

    def canary(self) -> float:
        table = read_table(self.data.table)
        assert table is not None
        return table.models["assistant"].weight("canary")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_the_first_table_is_published_at_start(home: Home) -> None:
    with home.controller() as tables:
        assert read_table(home.data.table) == tables.current()
        assert home.canary() == 0.1


def test_an_operators_word_is_published_and_survives_a_restart(home: Home) -> None:
    with home.controller() as tables:
        before = tables.current()
        after = tables.set_weights("assistant", {"canary": 0.25}, "because")
        assert after.replaces(before)
        assert after.models["assistant"].salt == before.models["assistant"].salt
        assert home.canary() == 0.25
    with home.controller() as tables:
        assert home.canary() == 0.25
        assert tables.current() == after


def test_a_table_that_went_missing_is_published_again_at_start_and_while_running(home: Home) -> None:
    with home.controller() as tables:
        home.data.table.unlink()
        tables.publish()
        assert home.canary() == 0.1
        home.data.table.unlink()
    with home.controller():
        assert home.canary() == 0.1


def test_a_lost_data_folder_means_canary_0_until_an_operator_speaks(home: Home) -> None:
    with home.controller() as tables:
        tables.set_weights("assistant", {"canary": 0.0}, "rolled back")
    rmtree(home.data.root)
    for _ in range(2):
        with home.controller() as tables:
            assert home.canary() == 0.0
            assert tables.current().models["assistant"].decided_by == "safety"
    with home.controller() as tables:
        tables.set_weights("assistant", {"canary": 0.05}, "looked into it")
    with home.controller() as tables:
        assert home.canary() == 0.05
        assert tables.current().models["assistant"].decided_by == "operator"


def test_without_a_marker_a_lost_folder_is_a_first_start(home: Home, tmp_path: Path) -> None:
    with home.controller():
        pass
    rmtree(home.data.root)
    rmtree(tmp_path / "state")
    with home.controller():
        assert home.canary() == 0.1


def test_a_lost_state_goes_on_from_the_published_table(home: Home) -> None:
    with home.controller() as tables:
        old = tables.set_weights("assistant", {"canary": 0.25}, "because")
    rmtree(home.data.state.parent)
    with home.controller() as tables:
        assert home.canary() == 0.25
        assert tables.current() == old
        assert tables.set_weights("assistant", {"canary": 0.3}, "on").replaces(old)


def test_a_torn_table_is_no_help_and_no_harm(home: Home) -> None:
    with home.controller():
        pass
    rmtree(home.data.state.parent)
    home.data.table.write_text("{")
    with home.controller():
        assert home.canary() == 0.0


def test_compare_and_swap(home: Home) -> None:
    with home.controller() as tables:
        seen = tables.current().version
        tables.set_weights("assistant", {"canary": 0.2}, "", expected_version=seen)
        with pytest.raises(Conflict):
            tables.set_weights("assistant", {"canary": 0.3}, "", expected_version=seen)
        assert home.canary() == 0.2


def test_an_unknown_model_is_named_with_those_there_are(home: Home) -> None:
    with home.controller() as tables, pytest.raises(UnknownModel, match="assistant"):
        tables.set_weights("nobody", {}, "")


def test_what_could_not_be_published_is_published_later(home: Home) -> None:
    with home.controller() as tables:
        home.data.table.unlink()
        home.data.table.mkdir()
        with pytest.raises(OSError, match="directory"):
            tables.set_weights("assistant", {"canary": 0.2}, "")
        home.data.table.rmdir()
        tables.publish()
        assert home.canary() == 0.2


def test_wishes_are_the_configs_arms_in_order(tmp_path: Path) -> None:
    canary = {"endpoints": ["http://b"], "weight": 10, "version": "v2"}
    arms = {"stable": {"endpoints": ["http://a"]}, "canary": canary}
    settings = parse({"models": {"assistant": {"arms": arms}}}, tmp_path, {})
    wish = Wish(("stable", "canary"), {"canary": 0.1}, {"stable": "", "canary": "v2"})
    assert wishes(settings.models) == {"assistant": wish}
