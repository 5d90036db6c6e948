"""kill -9 in the middle of saving a rollout's steps: what is there afterwards is one whole save, old or new."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.controller import saving
from tests.integration.controller.saving import expected, found, opened

_ROUNDS = 12
_FEW = 3


def _save_and_kill(target: str, alive_seconds: float) -> int:
    """The last save that the process was told is durable; it is killed that long after its first ones."""
    with subprocess.Popen([sys.executable, "-m", saving.__name__, target], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(_FEW):
            assert process.stdout.readline()
        time.sleep(alive_seconds)  # not to wait for anything: it is the moment of the kill that is drawn
        process.kill()
        rest = process.stdout.read()
    told = [line for line in rest.split(b"\n")[:-1] if line]
    return int(told[-1]) if told else 0


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where to save."""
    if request.param == "sqlite":
        return str(tmp_path / "state.sqlite")
    url: str = request.getfixturevalue("database")
    return url


def test_every_kill_leaves_one_whole_save_and_none_is_lost(target: str) -> None:
    chance, last = random.Random(5), 0
    for _ in range(_ROUNDS):
        durable = _save_and_kill(target, chance.uniform(0, 0.06))
        store = opened(target)
        now = store.positions()["scorer-0"]
        assert now >= max(durable, last + _FEW)
        assert found(store) == expected(now)
        store.close()
        last = now
