"""Three rollouts in a row by the commands of the docs only, on a real controller; waiting; and without one."""

import asyncio
import io
import json
import logging
import re
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.commands import rollout
from gateway.commands.adminclient import AdminClient, AdminError
from gateway.controller import chain
from gateway.controller.server import serve
from gateway.datafolder import process_lock
from gateway.process import Exit, listen
from gateway.processes import CONTROLLER
from gateway.rollout.observation import Action
from gateway.tablefile import read_table
from tests.integration.controller.test_rollouts import Site
from tests.support.rollouts import MODEL

_PACE = 0.05
"""Real seconds for a simulated one: `wait` looks once a real second, and a stage of the docs' plan takes 20."""
DOCS = Path(__file__).parents[3] / "docs" / "rollouts.md"


class Served(Site):
    """The API on a socket; simulated traffic flows, much faster than real time, while `flowing`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.controller.rollouts = self.controller.parts.rollouts
        self.controller.rollouts._entropy = self._entropy
        self._listener = listen("127.0.0.1:0")
        self.admin = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._ready, self._over = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=asyncio.run, args=(self._serve(),)),
            threading.Thread(target=self._flow),
        ]
        for thread in self._threads:
            thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._stop, self._asyncio = asyncio.Event(), asyncio.get_running_loop()
        await serve(self.controller.app, self._listener, self._stop, self._ready.set)

    def _flow(self) -> None:
        while not self._over.wait(_PACE):
            self.step()

    def still(self) -> None:
        """No more traffic."""
        self._over.set()
        self._threads[1].join(20)

    def close(self) -> None:
        self.still()
        self._asyncio.call_soon_threadsafe(self._stop.set)
        self._threads[0].join(20)
        assert not any(thread.is_alive() for thread in self._threads)
        self.controller.close()

    def run_command(self, line: str) -> Result:
        _, *arguments = shlex.split(line, comments=True)
        return CliRunner().invoke(app, [*arguments, "--admin", self.admin])


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What the controller logs is not what the commands print; offline configures logging for the process."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(io.StringIO()))
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(block("yaml", "# plan.yaml"))
    made = Served(tmp_path)
    yield made
    made.close()


def block(language: str, first: str = "") -> str:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    return next(text for text in found if text.startswith(first))


def expected(line: str) -> int:
    said = re.search(r"# exit code (\d)", line)
    return int(said[1]) if said else 0


def test_three_rollouts_by_the_commands_of_the_docs(served: Served) -> None:
    lines = [line for line in block("sh three").splitlines() if line]
    served.traffic.canary = 0.4
    for line in lines:
        if " retry " in line:
            served.traffic.canary = served.traffic.stable
        done = served.run_command(line)
        assert done.exit_code == expected(line), f"{line}\n{done.output}"
        if " finish " in line:
            assert list(yaml.safe_load(done.stdout)["models"][MODEL]["arms"]) == ["canary", "stable"]
    history = json.loads(served.run_command(f"tipstaff rollout history {MODEL} --json").stdout)
    assert [each["status"] for each in history["rollouts"]] == ["finished", "undone", "rolled_back"]
    served.still()
    assert served.weight() == 1.0
    assert chain.first_break(served.decisions()) is None


def test_every_screen_fits(served: Served) -> None:
    start = f"tipstaff rollout start {MODEL} --to canary --plan plan.yaml --reason so"
    texts = [served.run_command(start).stdout]
    assert served.run_command(f"tipstaff rollout wait {MODEL} --for stage=2 --timeout 60").exit_code == 0
    texts.append(served.run_command(f"tipstaff rollout status {MODEL}").stdout)
    found = json.loads(served.run_command(f"tipstaff rollout status {MODEL} --json").stdout)
    listed = json.loads(served.run_command(f"tipstaff rollout decisions {MODEL} --json").stdout)["decisions"]
    assert listed[0]["rollout"] == found["id"]
    texts += [served.run_command(f"tipstaff rollout decision {each['id']}").stdout for each in listed]
    for text in texts:
        assert 10 <= len(text.splitlines()) <= 24, text
        assert max(map(len, text.splitlines())) <= 80, text


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (f"tipstaff rollout suspend {MODEL}", 2, "say why"),
        (f"tipstaff rollout suspend {MODEL} --reason so", 1, "no rollout is under way"),
        (f"tipstaff rollout status {MODEL}", 1, "has had no rollout"),
        (f"tipstaff rollout plan {MODEL} --plan nonesuch.yaml", 2, "nonesuch.yaml"),
        (f"tipstaff rollout plan {MODEL} --plan bold", 1, "expected one of cautious"),
        (f"tipstaff rollout start {MODEL} --to nobody --reason so", 1, "has no arm 'nobody'"),
        (f"tipstaff rollout wait {MODEL} --for lunch", 2, "expected promoted, ended, or stage=N"),
    ],
)
def test_what_cannot_be_is_one_line_and_a_code(served: Served, line: str, code: int, words: str) -> None:
    done = served.run_command(line)
    assert done.exit_code == code, done.output
    assert words in done.stderr


class TestWaiting:
    def test_the_time_may_be_over(self, served: Served) -> None:
        served.still()
        served.run_command(f"tipstaff rollout start {MODEL} --to canary --reason so")
        done = served.run_command(f"tipstaff rollout wait {MODEL} --timeout 0 --json")
        assert done.exit_code == 6
        assert json.loads(done.stdout)["status"] == "running"

    def test_a_controller_that_is_gone_for_a_while_is_waited_for(self) -> None:
        answers: list[dict[str, Any] | AdminError] = [
            {"status": "running", "stage": {"number": 1, "percent": 10}, "why": "held"},
            AdminError("no answer"),
            {"status": "promoted", "stage": {"number": 4, "percent": 100}, "why": "done"},
        ]

        class Flaky(AdminClient):
            def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
                answer = answers.pop(0)
                if isinstance(answer, AdminError):
                    raise answer
                return answer

        told: list[str] = []
        client = Flaky("127.0.0.1:1")
        waited = rollout.wait(
            client,
            MODEL,
            rollout.goal("promoted"),
            60,
            told.append,
            now=lambda: 0.0,
            pause=lambda _: None,
        )
        client.close()
        assert waited.code == Exit.OK
        assert told == ["running, canary 10 %: held", "no answer", "promoted, canary 100 %: done"]


class TestWithTheControllerDead:
    def config(self, root: Path, *, weight: bool = False) -> Path:
        path = root / "config.yaml"
        more = {"weight": 10} if weight else {}
        arms = {
            "stable": {"endpoints": ["http://127.0.0.1:1"], "version": "stable-1"},
            "canary": {"endpoints": ["http://127.0.0.1:1"], "version": "canary-1", **more},
        }
        path.write_text(
            yaml.safe_dump({"models": {MODEL: {"arms": arms}}, "data": str(root / "data")}, sort_keys=False)
        )
        return path

    def rollback(self, config: Path, *more: str) -> Result:
        line = ["rollout", "rollback", MODEL, "--reason", "it is dead", "--offline", str(config), *more]
        return CliRunner().invoke(app, line)

    @pytest.mark.parametrize(("word", "ends"), [(None, "rolled_back"), ("promote", "undone")])
    def test_the_rollout_goes_back_by_a_decision_in_the_chain(
        self,
        tmp_path: Path,
        word: Action | None,
        ends: str,
    ) -> None:
        site = Site(tmp_path)
        site.start()
        site.run(3)
        if word:
            site.rollouts.command(MODEL, word, "ann", "so")
        before = read_table(site.controller.data.table)
        done = self.rollback(self.config(tmp_path))
        assert done.exit_code == 0, done.output
        after = read_table(site.controller.data.table)
        assert before is not None
        assert after is not None
        assert after.models[MODEL].weight("canary") == 0.0
        assert (after.epoch, after.version) > (before.epoch, before.version)
        site.crash()
        assert site.status() == ends
        last = site.decisions()[-1]
        assert (last.actor, last.reason) == ("operator", "it is dead")
        assert chain.first_break(site.decisions()) is None
        site.controller.close()

    def test_without_a_rollout_the_later_arms_go_to_0(self, tmp_path: Path) -> None:
        site = Site(tmp_path)
        assert site.weight() == 0.1
        done = self.rollback(self.config(tmp_path, weight=True), "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["weights"] == {"stable": 100, "canary": 0}
        assert site.weight() == 0.0
        site.controller.close()

    def test_a_living_controller_is_asked_instead(self, tmp_path: Path) -> None:
        site = Site(tmp_path)
        lock = process_lock(site.controller.data, CONTROLLER)
        done = self.rollback(self.config(tmp_path))
        lock.close()
        assert done.exit_code == Exit.DATA_FOLDER
        site.controller.close()
