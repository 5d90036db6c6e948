"""`tipstaff tail` while a stream grows, and when nobody reads any more."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.clock import SystemClock
from gateway.commands.tail import Tail, Wanted
from gateway.datafolder import prepare
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from tests.support.events import feedback
from tests.support.wait import until

if TYPE_CHECKING:
    from gateway.ports import Entry


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    prepare(folder)
    return folder


@pytest.fixture
def log(data: DataFolder) -> Iterator[SqliteEventLog]:
    with closing(SqliteEventLog(data.log, "p", SystemClock())) as opened:
        yield opened


def test_it_goes_on_with_what_comes_and_nothing_comes_twice(data: DataFolder, log: SqliteEventLog) -> None:
    log.append("feedback", [feedback(1), feedback(2)])
    found = Tail(data.root, "feedback", Wanted())
    assert len(found.last(1)) == 1
    came: list[Entry] = []
    stop = threading.Event()
    reader = threading.Thread(target=lambda: came.extend(found.follow(stop)))
    reader.start()
    log.append("feedback", [feedback(3)])
    with closing(SqliteEventLog(data.log, "late", SystemClock())) as late:  # a process that was not there
        late.append("feedback", [feedback(4)])
        until(lambda: len(came) == 2, 20, "what was appended is shown")
    stop.set()
    reader.join(20)
    assert sorted(str(entry.event.id) for entry in came) == sorted(feedback(number).id for number in (3, 4))


def test_a_reader_who_has_seen_enough_ends_it_quietly(data: DataFolder, log: SqliteEventLog) -> None:
    log.append("feedback", [feedback(number) for number in range(20_000)])
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "tail", "feedback", "--data", str(data.root), "-n", "20000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
