"""How many records the durable log takes, each append a commit that a power cut cannot undo."""

import os
import time
from pathlib import Path

from gateway.clock import SystemClock
from gateway.core.exchange import Reason, Route
from gateway.events.schema import Assignment, ExchangeV1, Payload, Timing
from gateway.events.sqlite import SqliteEventLog
from tests.benchmarks.servers import ANSWER, MODEL
from tests.benchmarks.table import Row

_SECONDS = 5.0
_GROUP = 200
_TARGET = 10_000.0


def record(number: int) -> ExchangeV1:
    """An exchange as the proxy records it: about 1 KB of bodies."""
    request = b'{"model":"assistant","messages":[{"role":"user","content":"%s"}]}' % os.urandom(150).hex().encode()
    assignment = Assignment("user", "header:x-user-id", os.urandom(16), 0.5, 0.9, "stable", "stable", "s", 1, 1)
    return ExchangeV1(
        id=f"{number:032x}",
        model=MODEL,
        route=Route.CHAT,
        path="/v1/chat/completions",
        assignment=assignment,
        endpoint="http://127.0.0.1:8001",
        status=200,
        reason=Reason.COMPLETE,
        streamed=False,
        chunks=1,
        timing=Timing(1_700_000_000_000_000, 0.0001, 0.1, 0.2),
        request=Payload(len(request), request, truncated=False),
        response=Payload(len(ANSWER), ANSWER, truncated=False),
    )


def measure(folder: Path) -> list[Row]:
    """Groups of 200, as the writer thread commits them under load."""
    batch = [record(number) for number in range(_GROUP)]
    log = SqliteEventLog(folder / "log", "bench", SystemClock())
    count, start, cpu = 0, time.perf_counter(), time.process_time()
    try:
        while time.perf_counter() - start < _SECONDS:
            log.append("exchanges", batch)
            count += len(batch)
        seconds, spent = time.perf_counter() - start, time.process_time() - cpu
    finally:
        log.close()
    return [
        Row("records that the log holds", count / seconds, "per s", at_least=_TARGET),
        Row("CPU per record", spent / count * 1e6, "µs"),
    ]
