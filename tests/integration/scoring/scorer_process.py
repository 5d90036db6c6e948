"""A scorer as a process of its own: `python -m tests.integration.scoring.scorer_process FOLDER DEADLINE`.

Its classifier does what answers tell it: "kill" kills the process, "hang" never comes back and never gives the
interpreter's lock back, "raise" raises, "bad" violates.
"""

import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

from gateway.clock import SystemClock
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.scoring.evaluation import Evaluator
from gateway.scoring.horizon import Horizon
from gateway.scoring.mark import Mark
from gateway.scoring.sampling import Sample
from gateway.scoring.scorer import Scorer
from gateway.scoring.texts import KeptTexts
from gateway.scoring.watchdog import Watchdog
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.unit.scoring.making import WordClassifier, plain

NAME = "scorer-0"
_NEVER_ENDS = re.compile(r"(a+)+$")


def _act(text: str) -> None:
    if text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "hang":
        _NEVER_ENDS.match("a" * 64 + "b")
    time.sleep(0.0005)  # so that many kills come amid a batch


def main(folder: DataFolder, deadline: float) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    clock = SystemClock()
    watchdog = Watchdog(folder.mark(NAME).with_suffix(".hung"), deadline)
    mark = Mark(folder.mark(NAME), hung=bool(watchdog.last_words))
    log = SqliteEventLog(folder.log, NAME, clock, consumers={"exchanges": frozenset({NAME})})
    texts = KeptTexts(folder.texts, NAME, clock, days=3650, max_bytes=1 << 28)
    file = CounterFile.open(folder.counter_file(NAME))
    evaluator = Evaluator(WordClassifier(_act), plain, mark=mark, watchdog=watchdog, clock=clock)
    horizon = Horizon(frozenset())
    meters = Meters(file)
    Scorer(log, evaluator, texts, meters=meters, clock=clock, sample=Sample(1.0), horizon=horizon).run(stop)
    for part in (log, texts, file, mark, watchdog):
        part.close()


if __name__ == "__main__":
    main(DataFolder(Path(sys.argv[1])), float(sys.argv[2]))
