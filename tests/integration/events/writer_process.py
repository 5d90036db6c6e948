"""A process that forks writers, so that a test can kill one at any moment without paying for imports.

Reads lines of a log's root; for each it forks a writer that appends until it is killed, and says: `pid N`, then
the number of events whose append returned, again and again, then `dead`.
"""

import os
import random
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.events.policy import StreamPolicy
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from tests.support.events import verdict

ROLLING: dict[Stream, StreamPolicy] = {"verdicts": StreamPolicy(roll_bytes=30_000)}


def say(words: str) -> None:
    os.write(1, f"{words}\n".encode())


def write(root: Path) -> None:
    """Each event's number is its sequence, and the consumed position is always the number of events."""
    log = SqliteEventLog(root, "p", SystemClock(), policy=ROLLING)
    rng = random.Random(os.getpid())
    number = log.appended("verdicts")
    if log.consumed("exchanges").get("x", 0) != number:
        say("broken: consumed is not what was appended")
    while True:
        count = rng.choice((0, 1, 1, 5, 60))
        events = [verdict(number + index) for index in range(count)]
        number += count
        log.append("verdicts", events, {"exchanges": {"x": number}})
        say(str(number))
        if rng.random() < 0.2:
            log.tick("verdicts")


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            write(Path(line.strip()))
        say(f"pid {pid}")
        os.waitpid(pid, 0)
        say("dead")


if __name__ == "__main__":
    main()
