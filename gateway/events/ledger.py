"""The account of every stream: started = in flight + dropped + appended, and appended = delivered + spooled + lost.

started      events that processes set out to record (counter files, summed over processes)
dropped      events that never reached the log, by reason: queue full, disk full, shutdown, crash, ... (counter
             files). A process that was killed books `crash` when it starts again; until then they are in flight.
appended     events that are, or ever were, durably in the log (where each producer's sequence ends)
in flight    started - dropped - appended
lost         appended events that this consumer never has, by reason: corrupt, purged, missing, refused (ranges
             kept beside the log; counted under `dropped` in the counter files, and no part of `dropped` here)
delivered    what a consumer has committed as consumed: its positions, less what it had to skip as lost
spooled      appended - delivered - lost: waits for this consumer

So for each consumer: started = in flight + dropped + lost + delivered + spooled.

A live reading takes the numbers in the order in which an event leaves them: positions, then ends, then
dropped, then started. Each only grows, and an event is counted on the later side first, so a reading never shows
more delivered than appended, nor more appended and dropped than started: what moved in between shows as spooled
or in flight. Where nobody counts starts, events are made and appended in one step, and none is in flight.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import msgspec

from gateway.events import losses
from gateway.events.folder import ProducerFolder, producers
from gateway.events.gathering import gathered
from gateway.events.positions import PublishedPositions
from gateway.events.schema import STREAMS, Stream
from gateway.events.tip import published_end
from gateway.processes import RELAY
from gateway.telemetry import counterfile
from gateway.telemetry.metrics import DROPPED, STARTED


class Delivery(msgspec.Struct, frozen=True):
    """One consumer's side of a stream."""

    delivered: int
    spooled: int
    lost: int


class Ledger(msgspec.Struct, frozen=True):
    """One stream's account; `dropped` by reason, `consumers` by name."""

    stream: Stream
    started: int
    dropped: dict[str, int]
    appended: int
    consumers: dict[str, Delivery]

    @property
    def in_flight(self) -> int:
        """Neither recorded nor dropped yet."""
        return self.started - sum(self.dropped.values()) - self.appended

    @property
    def balanced(self) -> bool:
        """No event is counted twice or out of nothing. False means that a counter or the log is wrong."""
        return self.in_flight >= 0 and all(
            min(each.delivered, each.spooled, each.lost) >= 0 for each in self.consumers.values()
        )

    @property
    def settled(self) -> bool:
        """Balanced, and nothing is on its way any more: what holds at the end of a quiet run."""
        return self.balanced and self.in_flight == 0 and not any(each.spooled for each in self.consumers.values())


class Account(msgspec.Struct, frozen=True):
    """What one consumer has of one producer: its position, and the ranges that are lost to it."""

    position: int
    lost: tuple[losses.Loss, ...] = ()


def balance(
    stream: Stream,
    *,
    started: int | None,
    dropped: Mapping[str, int],
    ends: Mapping[str, int],
    accounts: Mapping[str, Mapping[str, Account]],
) -> Ledger:
    """The arithmetic alone. `ends`: producer -> appended; `accounts`: consumer -> producer -> Account.

    `started` is None where nobody counts starts.
    """
    before = {reason: count for reason, count in dropped.items() if reason not in losses.AFTER_APPEND and count}
    appended = sum(ends.values())
    return Ledger(
        stream=stream,
        started=appended + sum(before.values()) if started is None else started,
        dropped=before,
        appended=appended,
        consumers={name: _delivery(ends, of) for name, of in accounts.items()},
    )


def _delivery(ends: Mapping[str, int], accounts: Mapping[str, Account]) -> Delivery:
    delivered = lost = 0
    for producer, account in accounts.items():
        end = ends.get(producer, 0)
        delivered += account.position - _count(account.lost, account.position)
        lost += _count(account.lost, end)
    owed = sum(end for producer, end in ends.items() if producer in accounts)
    return Delivery(delivered, owed - delivered - lost, lost)


def _count(lost: Iterable[losses.Loss], below: int) -> int:
    """How many of the lost sequences are below that one; ranges may overlap."""
    total = done = 0
    for loss in sorted(lost, key=lambda each: each.first):
        start, end = max(loss.first, done), min(loss.end, below)
        total += max(end - start, 0)
        done = max(done, end)
    return total


def read(root: Path, counters: Path, consumers: Mapping[Stream, frozenset[str]]) -> dict[Stream, Ledger]:
    """Every stream's ledger now. `root`: the log's; `counters`: the folder of counter files.

    `consumers` names who is meant to read each stream, also when they have not begun. Nobody else's account is
    kept: a relay that was taken out of the configuration is owed nothing.
    """
    accounts = {stream: _accounts(root, stream, consumers.get(stream, frozenset())) for stream in STREAMS}
    ends = {stream: _ends(root, stream, accounts[stream]) for stream in STREAMS}
    dropped, started = _counted(counters)
    return {
        stream: balance(
            stream,
            started=started.get(stream),
            dropped=dropped.get(stream, {}),
            ends=ends[stream],
            accounts=accounts[stream],
        )
        for stream in STREAMS
    }


def _owed(consumer: str, producer: str) -> bool:
    """The relay takes nothing that came from Kafka."""
    return consumer != RELAY or not gathered(producer)


def _accounts(root: Path, stream: Stream, consumers: frozenset[str]) -> dict[str, dict[str, Account]]:
    positions = PublishedPositions(root)
    names = producers(root, stream)
    return {
        consumer: {
            name: _account(root, positions, consumer, stream, name) for name in names if _owed(consumer, name)
        }
        for consumer in sorted(consumers)
    }


def _account(root: Path, positions: PublishedPositions, consumer: str, stream: Stream, producer: str) -> Account:
    position = positions.position(consumer, stream, producer)
    set_aside = losses.read(ProducerFolder(root, stream, producer).losses)
    skipped = losses.read(positions.losses(consumer, stream, producer))
    return Account(position, (*set_aside, *skipped))


def _ends(root: Path, stream: Stream, accounts: Mapping[str, Mapping[str, Account]]) -> dict[str, int]:
    return {name: _end(ProducerFolder(root, stream, name), accounts) for name in producers(root, stream)}


def _end(folder: ProducerFolder, accounts: Mapping[str, Mapping[str, Account]]) -> int:
    """A consumer may have read what its writer had committed but not shown before it was killed."""
    read = (of[folder.producer].position for of in accounts.values() if folder.producer in of)
    return max((published_end(folder.tip), *read))


def _counted(folder: Path) -> tuple[dict[Stream, Counter[str]], dict[Stream, int]]:
    """Dropped by stream and reason, then started by stream: two passes over the files, in that order."""
    files = [path for path in sorted(folder.glob("*.bin")) if path.stat().st_size]  # empty: being made
    dropped: dict[Stream, Counter[str]] = {}
    for series, (value, *_) in _numbers(files, DROPPED.name):
        labels = dict(series.labels)
        dropped.setdefault(cast("Stream", labels["stream"]), Counter())[labels["reason"]] += int(value)
    started: dict[Stream, int] = {}
    for series, (value, *_) in _numbers(files, STARTED.name):
        stream = cast("Stream", dict(series.labels)["stream"])
        started[stream] = started.get(stream, 0) + int(value)
    return dropped, started


def _numbers(files: Iterable[Path], name: str) -> Iterable[tuple[counterfile.Series, list[float]]]:
    for path in files:
        for series, values in counterfile.read(path):
            if series.name == name:
                yield series, values
