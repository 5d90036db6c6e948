"""Whether another configuration may take the place of the one in force, and what is said where it may not."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import unitkeys
from gateway.app.reload import Supervised
from gateway.datafolder import prepare
from gateway.layout import DataFolder
from tests.support.manual_clock import ManualClock

Written = Callable[..., None]
ARM = {"endpoints": ["http://127.0.0.1:1"]}


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes the configuration, with these keys beside one model."""

    def write(**more: Any) -> None:  # noqa: ANN401 - configuration
        models = {"assistant": {"arms": {"stable": ARM}}}
        config = {"models": models, "unit_key_file": "key", "scoring": {"encoder": "none"}, **more}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))

    (tmp_path / "key").write_text("1" * 64)
    return write


@pytest.fixture
def supervised(tmp_path: Path, written: Written) -> Iterator[Supervised]:
    """As `serve` has it once everything runs."""
    written()
    found = Supervised(tmp_path / "config.yaml", ManualClock())
    data = DataFolder(found.settings.data)
    prepare(data)
    with unitkeys.used(found.settings, data, 1, list):
        found.start()
        yield found


def problems(supervised: Supervised) -> tuple[str, ...]:
    loading = supervised.in_force.loading()
    assert loading is not None
    return loading.problems


@pytest.mark.parametrize(
    ("key", "more"),
    [
        ("listen", {"listen": "127.0.0.1:8081"}),
        ("proxy", {"proxy": {"workers": 2}}),
        ("limits.queue_bytes", {"limits": {"queue_bytes": 1 << 20}}),
        ("retention.numbers_days", {"retention": {"numbers_days": 30}}),
    ],
)
def test_what_is_read_at_a_start_only(
    supervised: Supervised, written: Written, key: str, more: dict[str, Any]
) -> None:
    written(**more)
    assert not supervised.reload()
    assert problems(supervised) == (f"{key}: read at a start only: stop tipstaff and start it again",)
    written()
    assert supervised.reload()
    assert problems(supervised) == ()


def test_who_is_gathered_may_change_but_is_not_begun_with(
    supervised: Supervised, written: Written, tmp_path: Path
) -> None:
    def gathering(*names: str) -> None:
        kafka = {"bootstrap": "k:9092"}
        written(events={"source": "north", "kafka": kafka, "gather": list(names)})

    gathering("south")
    assert not supervised.reload()
    on = "events.gather: turned on at a start only: stop tipstaff and start it again"
    assert on in problems(supervised)
    supervised = Supervised(tmp_path / "config.yaml", ManualClock())
    supervised.start()
    for names in (("south", "east"), ("east",), ()):
        gathering(*names)
        assert supervised.reload(), problems(supervised)
        assert supervised.in_force.settings().events.gather == names
    gathering("south")
    assert not supervised.reload()
    assert problems(supervised) == (on,)


def test_another_unit_key_in_the_same_file_is_none_for_a_reload(supervised: Supervised, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("2" * 64)
    before = supervised.in_force.settings()
    assert not supervised.reload()
    assert "is not the key in use" in problems(supervised)[0]
    kept = supervised.in_force.settings().unit_key_file
    assert kept is not None
    assert (kept.read_text(), supervised.in_force.settings()) == ("1" * 64, before)


def test_the_rest_is_taken(supervised: Supervised, written: Written) -> None:
    written(expose_arm=True, retention={"days": 3}, deadlines={"idle": 5})
    assert supervised.reload()
    assert supervised.in_force.settings().expose_arm
    assert supervised.settings.retention.days == 3
