"""A weight change reaches a running proxy within a second."""

import time
from functools import partial
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.proxy.table import TableWatch
from gateway.tablefile import write_table
from gateway.tasks import Tasks
from tests.integration.proxy.server import eventually
from tests.unit.proxy.support import meters, models, table

pytestmark = pytest.mark.anyio


async def test_tables_are_taken_within_a_second_of_their_writing(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    watch = TableWatch(path, models(), SystemClock(), meters(tmp_path))
    tasks = Tasks()
    tasks.spawn("table", watch.run())

    def taken(version: int) -> bool:
        return watch.table.version == version

    for version in range(1, 4):
        write_table(path, table(version, canary=version / 10))
        written = time.monotonic()
        await eventually(partial(taken, version))
        assert time.monotonic() - written < 1.0
    path.unlink()
    write_table(path, table(9, canary=0.9))
    await eventually(partial(taken, 9))
    await tasks.close()
