"""Backups of a gateway that runs, killed at random moments; and what starts from one."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.backup import MANIFEST, read_manifest
from tests.support.people import People
from tests.support.simulated import simulated
from tests.support.stack import Stack, tipstaff

TIMES = 50


def _killed(words: tuple[str | Path, ...], seconds: float) -> int:
    """Run a command, kill -9 after `seconds`; its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return process.wait()


@pytest.mark.timeout(600)
def test_a_backup_is_whole_or_not_there_and_starts_again(tmp_path: Path) -> None:
    chance = random.Random(1)
    saved, (running, back) = tmp_path / "saved", (tmp_path / "running", tmp_path / "back")
    running.mkdir()
    back.mkdir()
    with simulated("m") as (model,):
        models = {"assistant": {"arms": {"stable": {"endpoints": [model.url]}}}}
        with Stack(running, models) as stack:
            people = People(stack.url, "assistant")
            with people.asking(2):
                began = time.monotonic()
                first = tipstaff("backup", stack.config, tmp_path / "first")
                assert first.returncode == 0, first.stderr
                whole = time.monotonic() - began
                for number in range(TIMES):
                    target = tmp_path / f"backup-{number}"
                    code = _killed(("backup", stack.config, target), chance.uniform(0.3, 1.1) * whole)
                    assert target.exists() is (target / MANIFEST).exists()
                    assert code != 0 or target.exists()
                last = tipstaff("backup", stack.config, saved)
                assert last.returncode == 0, last.stderr
            settled = stack.settled()["exchanges"]["appended"]
            until_backup = {entry["id"] for entry in stack.exchanges()}
        assert people.broken == 0
        again = Stack(back, models)
        assert tipstaff("restore", saved, _config(back)).returncode == 0
        with again as stack:
            restored = stack.settled()
            assert restored["exchanges"]["appended"] <= settled
            assert restored["exchanges"]["appended"] >= 0.5 * settled
            assert {entry["id"] for entry in stack.exchanges()} <= until_backup
            answer = stack.client.post(
                "/v1/chat/completions", json={"model": "assistant", "messages": [{"role": "user", "content": "hi"}]}
            )
            assert answer.status_code == 200
            assert stack.exchange(answer.headers["x-tipstaff-exchange"])["id"]
            assert stack.settled()["exchanges"]["appended"] == restored["exchanges"]["appended"] + 1
    assert read_manifest(saved).files


@pytest.mark.timeout(600)
def test_a_restore_is_whole_or_not_there(tmp_path: Path) -> None:
    chance = random.Random(2)
    with simulated("m") as (model,):
        models = {"assistant": {"arms": {"stable": {"endpoints": [model.url]}}}}
        (tmp_path / "running").mkdir()
        with Stack(tmp_path / "running", models) as stack, People(stack.url, "assistant").asking(1):
            assert tipstaff("backup", stack.config, tmp_path / "saved").returncode == 0
    began = time.monotonic()
    (tmp_path / "0").mkdir()
    assert tipstaff("restore", tmp_path / "saved", _config(tmp_path / "0")).returncode == 0
    whole = time.monotonic() - began
    names = set(read_manifest(tmp_path / "saved").files)
    for number in range(1, TIMES + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        _killed(("restore", tmp_path / "saved", _config(folder)), chance.uniform(0.3, 1.1) * whole)
        data = folder / "data"
        if data.exists():
            assert {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()} == names


def _config(folder: Path) -> Path:
    """One that names `folder`/data; servers are not asked."""
    path = folder / "restore.yaml"
    path.write_text('models: {assistant: {arms: {stable: {endpoints: ["http://127.0.0.1:1"]}}}}\ndata: data\n')
    return path
