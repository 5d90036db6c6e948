"""`tipstaff constitution diff` and `what-if`, as they are typed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from classifiers.constitution import default, default_text
from gateway.cli import app
from tests.unit.controller.conftest import Controller
from tests.unit.controller.support import entries, verdict_event
from tests.unit.controller.test_rereading import ours, text

ARM = {"endpoints": ["http://127.0.0.1:1"]}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["constitution", *map(str, arguments)])


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.yaml"
    path.write_text(ours())
    return path


class TestDiff:
    def test_one_file_alone_is_held_against_the_one_that_ships(self, new: Path) -> None:
        found = run("diff", new)
        assert found.exit_code == 0, found.output
        assert found.stdout.splitlines()[1:] == ["+ cats: Do not speak of cats (added)"]

    def test_from_one_file_to_another(self, new: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.yaml"
        other.write_text(ours().replace("severity: low", "severity: high", 1).replace("title: ", "title: Our ", 1))
        found = run("diff", new, other)
        before, after = f"    - {default().title}", f"    + Our {default().title}"
        assert found.stdout.splitlines()[1:] == [
            "~ title",
            before,
            after,
            "~ cats: Do not speak of cats (changed)",
            "  severity",
            "    - low",
            "    + high",
        ]
        plain = json.loads(run("diff", new, other, "--json").stdout)
        assert (plain["same"], plain["principles"][0]["change"]) == (False, "changed")

    def test_the_same_in_other_words_of_yaml(self, tmp_path: Path) -> None:
        path = tmp_path / "same.yaml"
        path.write_text(f"# ours\n{default_text()}")
        assert run("diff", path).stdout.splitlines()[1:] == ["they say the same"]

    def test_a_bad_file_is_exit_code_2_and_a_line(self, tmp_path: Path) -> None:
        path = tmp_path / "bad.yaml"
        path.write_text("version: 1\ntitle: x\nprinciples: 3\n")
        found = run("diff", path)
        assert found.exit_code == 2
        assert f"{path}:3: principles" in found.stderr


class TestWhatIf:
    @pytest.fixture
    def controller(self, tmp_path: Path) -> Iterator[Controller]:
        controller = Controller(tmp_path)
        yield controller
        controller.close()

    @pytest.fixture
    def config(self, controller: Controller, tmp_path: Path) -> Path:
        """One of two models; of its three exchanges two have their texts."""
        events = [verdict_event(number) for number in range(3)]
        controller.index.add(entries(events), {})
        texts = [text(events[0].exchange_id, "A cat."), text(events[1].exchange_id, "A dog.")]
        controller.texts.put(texts)
        return _written(tmp_path, controller.data.root, "assistant", "org/solo")

    def test_it_reads_beside_a_gateway_that_runs(self, config: Path, new: Path) -> None:
        found = run("what-if", new, "--config", config, "--model", "assistant")
        assert found.exit_code == 0, found.output
        words = [line.split() for line in found.stdout.splitlines()]
        assert ["stable", "2", "0", "1"] in words
        assert ["cats", "0", "1", "1", "0", "0", "->", "0"] in words
        assert ["newly", verdict_event(0).exchange_id] in words
        assert "1 more have no text" in found.stdout

    def test_for_machines_and_of_a_time(self, config: Path, new: Path) -> None:
        since = "2025-10-09T08:00:01Z"  # the second of them
        asked = ("--config", config, "--model", "assistant", "--since", since, "--json")
        found = json.loads(run("what-if", new, *asked).stdout)
        assert (found["looked_at"], found["without_text"]) == (1, 1)
        assert found["before"] == default().hash

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ((), "there are assistant, org/solo"),
            (("--model", "none"), "no model 'none'"),
            (("--model", "assistant", "--since", "yesterday"), "--since yesterday"),
            (("--model", "assistant", "--since", "2026-03-01T12:00:00"), "expected a time like"),
        ],
    )
    def test_what_cannot_be_meant(self, config: Path, new: Path, more: tuple[str, ...], said: str) -> None:
        found = run("what-if", new, "--config", config, *more)
        assert (found.exit_code, said in found.stderr) == (2, True), found.output

    def test_a_head_that_nobody_has(self, config: Path, tmp_path: Path) -> None:
        path = tmp_path / "typo.yaml"
        path.write_text(default_text().replace("heads: [", "heads: [harm.typo, ", 1))
        _written(tmp_path, config.parent / "data", "assistant", encoder="default")
        found = run("what-if", path, "--config", config)
        assert (found.exit_code, "harm.typo" in found.stderr) == (2, True), found.output

    def test_nothing_to_read(self, new: Path, tmp_path: Path) -> None:
        config = _written(tmp_path, tmp_path / "nothing", "assistant")
        found = run("what-if", new, "--config", config)
        assert (found.exit_code, "nothing has been scored yet" in found.stderr) == (4, True), found.output


def _written(folder: Path, data: Path, *models: str, encoder: str = "none") -> Path:
    path = folder / "config.yaml"
    arms = {name: {"arms": {"stable": ARM}} for name in models}
    path.write_text(yaml.safe_dump({"data": str(data), "models": arms, "scoring": {"encoder": encoder}}))
    return path
