"""`tipstaff demo` as a user runs it: the story holds, and whatever ends it leaves nothing running."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.wait import until

COMMAND = (sys.executable, "-m", "gateway.cli", "demo")
QUICK = (sys.executable, "-m", "tests.integration.demo.quick")
TWO_MINUTES = 120.0


class Demo:
    """One `tipstaff demo`, with its output in a file: not a terminal."""

    def __init__(self, folder: Path, *arguments: str, command: tuple[str, ...] = COMMAND) -> None:
        self._output = folder / "demo.out"
        self._family: list[psutil.Process] = []
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "TMPDIR": str(folder)},
            )

    @property
    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def wait_for(self, words: str) -> None:
        until(lambda: words in self.said or self.process.poll() is not None, 240, f"the demo says {words!r}", 0.1)
        assert words in self.said, self.said
        self._family = psutil.Process(self.process.pid).children(recursive=True)
        assert len(self._family) >= 4, "supervisor, proxy, scorer, controller"

    def nothing_left(self, seconds: float) -> None:
        until(lambda: not any(_runs(each) for each in self._family), seconds, "all its processes have ended", 0.1)


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert not list(tmp_path.glob("tipstaff-demo-*")), "it removes its folder"


def test_the_story_holds_and_it_ends_by_itself(folder: Path) -> None:
    began = time.monotonic()
    demo = Demo(folder, "--exit")
    assert demo.process.wait(240) == 0, demo.said
    assert time.monotonic() - began < TWO_MINUTES
    told = (
        "SIMULATED",
        "SCALED DOWN",
        "START by the operator, canary 0 % -> 10 %",
        "wait, canary 10 %",
        "ADVANCE, canary 10 % -> 30 %",
        "nobody knows: from now on the canary's model answers worse",
        "ROLL BACK, canary 50 % -> 0 %: the canary is worse",
        "all went to stable",
        "% violating",
        "complies: found ",
        "good answers taken for bad ones: ",
        "the story held, and the ledger balanced",
    )
    places = [demo.said.find(words) for words in told]
    assert -1 not in places, demo.said
    assert places == sorted(places), "in this order"
    assert "FREEZE, canary 50 %: fast alarm" in demo.said or "before the fast alarm" in demo.said
    assert "Traceback" not in demo.said


def test_a_canary_that_never_turns_bad_fails_it(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "healthy", "--exit", command=QUICK)
    assert demo.process.wait(120) == 1, demo.said
    assert "DID NOT HOLD: the bad canary was not rolled back within 12 s" in demo.said
    assert "ROLL BACK" not in demo.said
    assert "RUNNING · assistant" in demo.said, "where it stands is shown instead of a decision"
    assert demo.said.count("DID NOT HOLD") == 1, "all else did"
    assert list(tmp_path.glob("tipstaff-demo-*")), "data and logs are left"


def test_ctrl_c_amid_the_story_leaves_nothing_running(folder: Path) -> None:
    demo = Demo(folder)
    demo.wait_for("first byte")  # users come and go
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(60) == 130, demo.said
    last = demo.said.rstrip().splitlines()[-1]
    assert last.endswith("ending ..."), "everybody hangs up in silence"
    demo.nothing_left(0.5)


@pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl")
def test_after_the_story_it_goes_on_until_it_is_told_to_stop(folder: Path) -> None:
    demo = Demo(folder, "turning", command=QUICK)
    demo.wait_for("it goes on until Ctrl-C")
    assert "the story held" in demo.said
    curl = next(line for line in demo.said.splitlines() if "try: curl" in line).partition("try: ")[2]
    answer = subprocess.run(shlex.split(curl), capture_output=True, text=True, timeout=30, check=True)
    assert "simulated" in json.loads(answer.stdout)["system_fingerprint"]
    line = next(line for line in demo.said.splitlines() if "or: " in line).partition("or: ")[2]
    _, *words = shlex.split(line)
    status = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *words], capture_output=True, text=True, timeout=30, check=True
    )
    assert "ROLLED BACK · assistant" in status.stdout
    demo.process.send_signal(signal.SIGTERM)
    assert demo.process.wait(60) == 0, demo.said
    demo.nothing_left(0.5)


def test_ctrl_c_while_it_starts_leaves_nothing_running(folder: Path) -> None:
    demo = Demo(folder)
    until(lambda: "starting `tipstaff serve`" in demo.said, 60, "it starts")
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(60) == 130, demo.said
    assert "Traceback" not in demo.said


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="this machine has no setpriv (util-linux)")
def test_kill_9_of_the_demo_ends_the_gateway_too(tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    demo.wait_for("synthetic users come back")
    demo.process.kill()
    demo.process.wait()
    demo.nothing_left(45)


def test_an_unknown_model_is_told_in_a_line(folder: Path) -> None:
    demo = Demo(folder, "--model", "gpt")
    assert demo.process.wait(30) == 2
    assert demo.said.strip() == "--model gpt: give one of simulated, vllm"
