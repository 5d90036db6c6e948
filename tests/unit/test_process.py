"""A process that ends to begin anew, and is told to end on the way."""

import os
import signal
import threading

import pytest

from gateway import process
from gateway.process import Exit, Parent


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have run in this process's place."""
    found: list[list[str]] = []
    monkeypatch.setattr(process, "_told_to_end", threading.Event())
    monkeypatch.setattr(os, "execv", lambda _, command: found.append(command))
    return found


def test_it_begins_anew_with_the_same_words(begun: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["tipstaff", "scorer", "config.yaml"])
    process.begin_anew()
    assert [command[1:] for command in begun] == [["-m", "gateway.cli", "scorer", "config.yaml"]]


def test_whoever_was_told_to_end_does_not_begin_anew(begun: list[list[str]]) -> None:
    def told(stop: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        process.run_blocking(told, Parent(None))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert process._told_to_end.wait(10)
    assert process.begin_anew() == Exit.OK
    assert begun == []
