"""A log that is full, then has room again, under each policy: the writer thread and the SQLite engine."""

from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.events.counted import DISK_FULL
from gateway.events.policy import StreamPolicy, policies
from gateway.events.sqlite import SqliteEventLog
from gateway.proxy.recorder import Policy, Recorder
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.integration.proxy.server import eventually
from tests.support.events import exchange, verdict

pytestmark = pytest.mark.anyio

SMALL = StreamPolicy(roll_seconds=0.1, roll_bytes=1 << 16, max_bytes=1 << 18, keep_seconds=0.0)
BODY = bytes(range(256)) * 64


def opened(folder: Path, producer: str) -> SqliteEventLog:
    return SqliteEventLog(
        folder / "log",
        producer,
        SystemClock(),
        consumers={"exchanges": frozenset({"scorer-0"})},
        policy={**policies(), "exchanges": SMALL},
    )


def consume_all(folder: Path) -> None:
    """Read and pass everything, as a scorer does."""
    scorer = opened(folder, "scorer-0")
    positions = dict(scorer.consumed("exchanges"))
    while (batch := scorer.read("exchanges", positions, 1000)).entries:
        positions = dict(batch.positions)
    scorer.append("verdicts", [verdict(0)], {"exchanges": positions})
    scorer.close()


@pytest.mark.parametrize("policy", ["batched", "strict"])
async def test_a_full_log_then_room_again(tmp_path: Path, policy: Policy) -> None:
    log = opened(tmp_path, "proxy-0")
    recorder = Recorder(log, Meters(CounterFile.open(tmp_path / "c.bin")), policy, 1 << 20, SystemClock())
    recorder.start()
    number = 0

    def fill() -> bool:
        nonlocal number
        if recorder.accepts():
            recorder.started()
            recorder.record(exchange(number, response=b"%d" % number + BODY[number % 97 :]))
            number += 1
        return bool(recorder.warnings)

    await eventually(fill)
    assert recorder.accepts() == (policy == "batched")
    assert (recorder.ledger.dropped[DISK_FULL].value > 0) == (policy == "batched")
    consume_all(tmp_path)

    def taken_again() -> bool:
        fill()
        return not recorder.warnings

    await eventually(taken_again)
    assert recorder.accepts()
    await recorder.close(10.0)
    account = recorder.ledger
    assert account.on_its_way == 0
    assert account.produced.value == log.appended("exchanges")
    assert account.started.value == number
    if policy == "strict":
        assert account.total_dropped == 0
    log.close()
