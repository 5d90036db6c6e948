"""Takes verdicts and feedback of other gateways into this one's log, each once, under their own names and times.

What is here is theirs, event by event: whoever gathers the same gateways has the same log, and comes to the same
decisions. Offsets are only where to look: what is here already is known by its sequence.
"""

import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from gateway import atomicfile
from gateway.events.cloudevents import parse
from gateway.events.folder import producers
from gateway.events.gathering import Offsets, Record, StreamGathering, gateway_of, gathered, local_name
from gateway.events.schema import Known, ProgressV1, Stream, Topic
from gateway.events.sqlite import SqliteEventLog
from gateway.events.trouble import tell
from gateway.patience import Patience
from gateway.ports import BrokersAway, Clock, Entry, LogFull
from gateway.processes import SCORER
from gateway.telemetry.metrics import GATHER_ERRORS, GATHER_IGNORED, GATHER_LAG, PRODUCED, STARTED, Meters

log = structlog.get_logger(__name__)

GATHERED: tuple[Stream, ...] = ("verdicts", "feedback")
SILENT_SECONDS = 10.0
"""After so long without a word of a gateway people are told. A relay speaks four times a second."""
_POLL_SECONDS = 0.1
_UPKEEP_SECONDS = 1.0
_ANEW = "its data folder was lost or restored, so give it another events.source; until then rollouts wait for it"
_MOST_WAITING = 100_000
"""Events in hand that nobody has yet, from which on partitions that are ahead are held back."""


class Read(msgspec.Struct, frozen=True):
    """A record as it stands in a partition."""

    stream: Topic
    partition: int
    offset: int
    headers: dict[str, bytes]
    payload: bytes


class Source(Protocol):
    """Where other gateways' streams come from. Blocking. Every method raises BrokersAway: then `open` it again."""

    def open(self, start: Mapping[Topic, Offsets | None]) -> None:
        """Read each stream from there on, partitions not named from their first; None: what comes from now on."""

    def poll(self, seconds: float) -> list[Read]:
        """What there is, each partition in order; waits that long for the first."""

    def read(self, stream: Topic) -> Offsets:
        """How far each partition has been polled."""

    def ends(self, stream: Topic) -> Offsets:
        """How far each partition goes now."""

    def hold(self, stream: Topic, partitions: Collection[int]) -> None:
        """Poll nothing of those, and all others."""

    def close(self) -> None:
        """Let go; a second call does nothing."""


class _Shelf:
    """One producer's part of a stream in our log."""

    def __init__(self, stream: Stream, events: SqliteEventLog, expect: Callable[[int], None]) -> None:
        self._stream = stream
        self._events = events
        self._expect = expect

    @property
    def end(self) -> int:
        return self._events.appended(self._stream)

    @property
    def watermark(self) -> int:
        return self._events.watermark(self._stream)

    def adopt(self, entries: list[Entry]) -> None:
        self._expect(entries[-1].sequence + 1 - self.end)
        self._events.adopt(self._stream, entries)

    def know(self, known: Known) -> None:
        self._expect(known.end - self.end)
        self._events.know(self._stream, known.end, known.watermark_us, known.forwarded_us)


class Logs:
    """The logs of all gathered producers, opened as they are asked for."""

    def __init__(self, root: Path, opened: Callable[[str], SqliteEventLog], meters: Meters) -> None:
        self._opened = opened
        self._open: dict[str, SqliteEventLog] = {}
        self._stack = ExitStack()
        self._started = {stream: meters.counter(STARTED, stream) for stream in GATHERED}
        self._produced = {stream: meters.counter(PRODUCED, stream) for stream in GATHERED}
        for stream in GATHERED:
            for name in filter(gathered, producers(root, stream)):
                self.of(name)

    def of(self, producer: str) -> SqliteEventLog:
        """Raises LogFull, ProducerTaken."""
        if producer not in self._open:
            events = self._open[producer] = self._opened(producer)
            self._stack.callback(events.close)
        return self._open[producer]

    def all(self) -> list[SqliteEventLog]:
        """Of every producer that was ever gathered."""
        return list(self._open.values())

    def shelf(self, stream: Stream, producer: str) -> _Shelf:
        """See Shelf."""
        return _Shelf(stream, self.of(producer), partial(self._expect, stream))

    def _expect(self, stream: Stream, more: int) -> None:
        """For the ledger: what is here by then was begun before, also where a kill came between the two."""
        here = sum(each.appended(stream) for each in self.all())
        for counter, wanted in ((self._produced[stream], here), (self._started[stream], here + max(more, 0))):
            counter.inc(max(wanted - counter.value, 0))

    def close(self) -> None:
        """All of them."""
        self._stack.close()


class Gather:
    """Not for two threads at once. `gateways`: who is gathered; others in the same topics are passed over.

    `offsets`: the file that says where to go on. `trouble`: the file that says what is wrong, empty while nothing
    is. `own`: this gateway's name in the topics.
    """

    def __init__(
        self,
        source: Source,
        logs: Logs,
        gateways: Collection[str],
        *,
        offsets: Path,
        trouble: Path,
        meters: Meters,
        clock: Clock,
        own: str = "",
    ) -> None:
        self._source = source
        self._logs = logs
        self._gateways = frozenset(gateways)
        self._offsets = offsets
        self._trouble = trouble
        self._meters = meters
        self._clock = clock
        self._own = own
        self._patience = Patience("gathering events", clock, (BrokersAway,))
        self._keeping = Patience("upkeep of what is gathered", clock, (BrokersAway,))
        self._open = False
        self._streams: dict[Stream, StreamGathering] = {}
        self._newest: dict[Stream, dict[int, int]] = {}
        self._heard = dict.fromkeys(self._gateways, clock.monotonic())
        self._known_us = dict.fromkeys(self._gateways, clock.now_us())
        self._upkept = float("-inf")
        self._away = ""
        for gateway in self._gateways:  # until it speaks, nothing is known of its time, and everybody waits
            logs.of(local_name(SCORER, gateway)).know("verdicts", 0, 0, 0)

    def run(self, stop: threading.Event, duty: Callable[[], object]) -> None:
        """Gather until `stop` is set. `duty`: another piece of work on the same logs, due all the time."""
        while not stop.is_set():
            came = self.turn()
            duty()
            if not came:
                stop.wait(_POLL_SECONDS if self._away else 0)

    def turn(self) -> int:
        """What can be done now; how many events came."""
        came = 0
        if self._patience.due:
            with self._patience.trying():
                came = self._try()
        now = self._clock.monotonic()
        if now - self._upkept >= _UPKEEP_SECONDS:
            self._upkept = now
            with self._keeping.trying():
                self._upkeep()
        return came

    def _try(self) -> int:
        try:
            came = self.step()
        except (BrokersAway, LogFull, OSError, sqlite3.Error) as error:
            self._meters.counter(GATHER_ERRORS, getattr(error, "kind", "storage")).inc()
            self._away, self._open = str(error), False
            self._source.close()
            raise
        self._away = ""
        return came

    def step(self) -> int:
        """Take in what there is. Raises BrokersAway, LogFull, OSError."""
        if not self._open:
            self._begin()
        came = self._source.poll(_POLL_SECONDS)
        for each in came:
            self._take(each)
        for stream, gathering in self._streams.items():
            read = self._source.read(stream)
            gathering.settle(read)
            if gathering.wants_ends:
                gathering.fence(self._source.ends(stream))
            self._hold_back(stream, gathering)
        return len(came)

    def _begin(self) -> None:
        """What was in hand is read again."""
        known = self._kept_offsets()
        start: dict[Topic, Offsets | None] = {stream: known.get(stream, {}) for stream in GATHERED}
        start["progress"] = None  # whoever is alive says it again
        self._streams = {stream: StreamGathering(partial(self._logs.shelf, stream)) for stream in GATHERED}
        self._newest = {stream: {} for stream in GATHERED}
        self._source.open(start)
        self._open = True

    def _take(self, given: Read) -> None:
        try:
            gateway, entry = parse(given.headers, given.payload)
        except ValueError as error:
            self._ignore("unreadable", given, str(error))
            return
        if gateway == self._own:
            return  # it is in the log already
        if gateway not in self._gateways:
            self._ignore("gateway", given, f"{gateway} is not among events.gather")
        elif isinstance(entry.event, ProgressV1):
            self._hear(gateway, entry.event)
        elif given.stream in self._streams:
            here = Entry(local_name(entry.producer, gateway), entry.sequence, entry.time_us, entry.event)
            self._streams[given.stream].take(Record(given.partition, given.offset, here))
            newest = self._newest[given.stream]
            newest[given.partition] = max(entry.time_us, newest.get(given.partition, 0))

    def _ignore(self, reason: str, given: Read, why: str) -> None:
        counter = self._meters.counter(GATHER_IGNORED, reason)
        if not counter.value:
            place = f"{given.stream} {given.partition}:{given.offset}"
            log.warning("a record is passed over; further ones are only counted", record=place, why=why)
        counter.inc()

    def _hear(self, gateway: str, word: ProgressV1) -> None:
        gathering = next((each for stream, each in self._streams.items() if stream == word.stream), None)
        if gathering is None:
            return
        gathering.hear(gateway, word.known)
        self._heard[gateway] = self._clock.monotonic()
        if word.stream == "verdicts":
            known = min((each.watermark_us for each in word.known.values()), default=0)
            self._known_us[gateway] = known or self._known_us[gateway]
            self._show_lag()

    def _hold_back(self, stream: Stream, gathering: StreamGathering) -> None:
        """Partitions that are ahead wait, where too much of them would have to be held."""
        newest = self._newest[stream]
        slowest = min(newest.values(), default=0)
        ahead = [each for each, at in newest.items() if at > slowest] if gathering.waiting > _MOST_WAITING else []
        self._source.hold(stream, ahead)

    def _show_lag(self) -> None:
        """It grows as long as a gateway says nothing, and from the start for one that was never heard."""
        now_us = self._clock.now_us()
        for gateway, known_us in self._known_us.items():
            self._meters.gauge(GATHER_LAG, gateway).set(max(now_us - known_us, 0) / 1e6)

    def _upkeep(self) -> None:
        self._tell()
        self._show_lag()
        self._keep_offsets()
        for events in self._logs.all():
            events.upkeep()

    def _keep_offsets(self) -> None:
        if self._open:
            found = {stream: each.behind(self._source.read(stream)) for stream, each in self._streams.items()}
            self._offsets.parent.mkdir(mode=0o700, exist_ok=True)
            atomicfile.replace(self._offsets, msgspec.json.encode(found), durable=False)

    def _kept_offsets(self) -> dict[Stream, dict[int, int]]:
        try:
            return msgspec.json.decode(self._offsets.read_bytes(), type=dict[Stream, dict[int, int]])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    def _tell(self) -> None:
        now = self._clock.monotonic()
        silent = {name: now - at for name, at in sorted(self._heard.items()) if now - at > SILENT_SECONDS}
        words = [
            f"nothing heard of {name} for {seconds:.0f} s, and rollouts wait for it"
            for name, seconds in silent.items()
        ]
        anew = {gateway_of(producer) for each in self._streams.values() for producer in each.begun_anew}
        words += [f"{name} has begun anew: {_ANEW}" for name in sorted(anew)]
        tell(self._trouble, "; ".join(word for word in (self._away, *words) if word))
