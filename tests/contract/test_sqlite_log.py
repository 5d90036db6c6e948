"""The SQLite engine, and the fake that tests use, under the contract of all event logs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.events.policy import StreamPolicy, policies
from gateway.events.sqlite import SqliteEventLog
from tests.contract.event_log import EventLogContract, OpenLog
from tests.support.manual_clock import ManualClock
from tests.support.memory_log import MemoryEventLog, MemoryStore


class TestSqliteEventLog(EventLogContract):
    @pytest.fixture
    def open_log(self, tmp_path: Path, clock: ManualClock) -> Iterator[OpenLog]:
        opened: list[SqliteEventLog] = []

        def open_it(producer: str) -> SqliteEventLog:
            opened.append(SqliteEventLog(tmp_path / "log", producer, clock))
            return opened[-1]

        yield open_it
        for log in opened:
            log.close()


class TestSqliteEventLogThatRollsAtEveryAppend(EventLogContract):
    @pytest.fixture
    def open_log(self, tmp_path: Path, clock: ManualClock) -> Iterator[OpenLog]:
        opened: list[SqliteEventLog] = []
        policy = {stream: StreamPolicy(roll_bytes=1) for stream in policies()}

        def open_it(producer: str) -> SqliteEventLog:
            opened.append(SqliteEventLog(tmp_path / "log", producer, clock, policy=policy))
            return opened[-1]

        yield open_it
        for log in opened:
            log.close()


class TestMemoryEventLog(EventLogContract):
    @pytest.fixture
    def open_log(self, clock: ManualClock) -> OpenLog:
        store = MemoryStore()
        return lambda producer: MemoryEventLog(store, producer, clock)
