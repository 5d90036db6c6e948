"""A log on a clock that the test moves, reopened as a restarted process would."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway.events.policy import StreamPolicy
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from tests.support.manual_clock import ManualClock


class Bench:
    """Opens logs under one root and closes them at the end. `losses`: what `on_loss` heard."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock()
        self.losses: list[tuple[str, str, int]] = []
        self._opened: list[SqliteEventLog] = []

    def open(
        self,
        producer: str | None = "p",
        policy: Mapping[Stream, StreamPolicy] | None = None,
        consumers: Mapping[Stream, frozenset[str]] | None = None,
        patient: Mapping[Stream, frozenset[str]] | None = None,
    ) -> SqliteEventLog:
        def on_loss(stream: str, reason: str, count: int) -> None:
            self.losses.append((stream, reason, count))

        log = SqliteEventLog(
            self.root,
            producer,
            self.clock,
            policy=policy,
            consumers=consumers or {},
            patient=patient or {},
            on_loss=on_loss,
        )
        self._opened.append(log)
        return log

    def files(self, stream: str = "audit", producer: str = "p") -> list[str]:
        """Everything in a producer's folder but the tip."""
        return sorted(path.name for path in (self.root / stream / producer).iterdir() if path.name != "tip")

    def segments(self, stream: str = "audit", producer: str = "p") -> list[int]:
        return [int(name[:20]) for name in self.files(stream, producer) if name.endswith(".sqlite")]

    def segment(self, first: int, stream: str = "audit", producer: str = "p") -> Path:
        return self.root / stream / producer / f"{first:020d}.sqlite"

    def close(self) -> None:
        for log in self._opened:
            log.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "log")
    yield made
    made.close()
