"""A new tipstaff on the data folder of an older one, and an old one on that of a newer."""

from pathlib import Path

import pytest

from gateway.layout import FORMAT, DataFolder
from tests.fixtures import data_format
from tests.support.people import question
from tests.support.simulated import simulated
from tests.support.stack import Stack, tipstaff

KEPT = data_format.all_kept()


def test_every_released_format_is_kept() -> None:
    wanted = [f"data-format-{number}" for number in range(1, FORMAT + 1)]
    assert [path.name for path in KEPT] == wanted, "python -m tests.fixtures.data_format makes the newest"


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_the_folder_of_a_released_format_starts(kept: Path, tmp_path: Path) -> None:
    made = data_format.unpacked(kept, tmp_path / "data")
    found = DataFolder(tmp_path / "data").format.read_text().strip()
    with (
        simulated(*data_format.SERVED) as servers,
        Stack(tmp_path, data_format.models(servers), environment=data_format.at_the_time_of(made)) as stack,
    ):
        now = data_format.known(stack)
        assert _still_says(now.exchanges, made.exchanges)
        assert _still_says(now.decisions, made.decisions)
        assert (len(made.exchanges), len(made.decisions)) == (2, 2)
        assert {each["text"]["turns"][0]["text"] for each in now.exchanges} == {_asked()}
        assert {name: now.appended[name] for name in ("exchanges", "verdicts")} == {"exchanges": 2, "verdicts": 2}
        assert all(account["settled"] for account in stack.settled().values())

        answer = stack.client.post("/v1/chat/completions", json=question("assistant")).raise_for_status()
        assert stack.exchange(answer.headers["x-tipstaff-exchange"])["id"] not in {
            each["id"] for each in made.exchanges
        }
        assert stack.settled()["exchanges"]["appended"] == 3
        assert stack.stop() == 0
    assert DataFolder(tmp_path / "data").format.read_text() == f"{FORMAT}\n"
    as_it_was = DataFolder(tmp_path / f"data.format-{found}")
    assert as_it_was.root.exists() is (int(found) < FORMAT)


def _still_says(now: object, then: object) -> bool:
    """Whether all of `then` is in `now`, to which the API may have added."""
    if isinstance(now, dict) and isinstance(then, dict):
        return all(name in now and _still_says(now[name], value) for name, value in then.items())
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(map(_still_says, now, then))
    return now == then


def _asked() -> str:
    return str(question("assistant")["messages"][0]["content"])


@pytest.mark.parametrize("command", ["serve", "scorer"])
def test_the_folder_of_a_newer_format_is_refused_and_not_touched(command: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text('models: {assistant: {arms: {stable: {endpoints: ["http://127.0.0.1:9"]}}}}\n')
    data = DataFolder(tmp_path / "data")
    data.counters.mkdir(parents=True)
    data.format.write_text(f"{FORMAT + 1}\n")
    before = sorted(tmp_path.rglob("*"))
    ended = tipstaff(command, config)
    assert ended.returncode == 4, ended
    assert f"has format '{FORMAT + 1}', this tipstaff reads {FORMAT}" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert data.format.read_text() == f"{FORMAT + 1}\n"
