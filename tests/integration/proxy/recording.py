"""A process that records exchanges as fast as it can, until it is killed. Arguments: data folder."""

import asyncio
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.proxy.recorder import Recorder
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.events import exchange

OPEN = 3


async def main(folder: Path) -> None:
    """Keep OPEN exchanges begun and not ended; say "recording" once the log holds some."""
    data, clock = DataFolder(folder), SystemClock()
    log = SqliteEventLog(data.log, "proxy-0", clock)
    recorder = Recorder(log, Meters(CounterFile.open(data.counter_file("proxy-0"))), "batched", 256 << 10, clock)
    recorder.start()
    for _ in range(OPEN):
        recorder.started()
    number, said = 0, False
    while True:
        for _ in range(20):
            recorder.started()
            recorder.record(exchange(number))
            number += 1
        if not said and recorder.ledger.produced.value > 0:
            sys.stdout.write("recording\n")
            sys.stdout.flush()
            said = True
        await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
