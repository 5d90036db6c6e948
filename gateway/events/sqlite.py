"""The event log of one machine: SQLite segments in folders, one writer per producer, any number of readers."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock

import structlog

from gateway.events import codec, losses
from gateway.events.folder import ProducerFolder, producers
from gateway.events.losses import CORRUPT
from gateway.events.policy import StreamPolicy, policies
from gateway.events.positions import PublishedPositions
from gateway.events.reader import ProducerReader
from gateway.events.rewrite import Change
from gateway.events.schema import STREAMS, Event, Stream
from gateway.events.segment import ConsumedTable
from gateway.events.writer import OnLoss, StreamWriter
from gateway.ports import Batch, Clock, Entry, Positions

log = structlog.get_logger(__name__)

_EMPTY: Mapping[Stream, frozenset[str]] = {}


def _unheard(stream: str, reason: str, count: int) -> None:
    """Losses are logged and kept in the folder in any case."""


class SqliteEventLog:
    """`gateway.ports.EventLog` on one disk.

    `root`/<stream>/<producer>/ holds this producer's segments. `producer` is None for a log that only reads.
    `consumers` names, per stream, the producers whose published positions decide what may be unlinked; a
    stream without any is kept by age alone. `patient` are others, who are waited for as long as there is room:
    what was unlinked before they came they note as lost (`skip`). `on_loss` hears of appended events that are lost
    to whom this log is. `reads`: whether it reads a producer at all.
    An append costs one fsync: hand over as many events at once as have gathered. Whoever appends to a
    stream ticks it a few times a second: rolling and unlinking happen there. Positions only grow.
    """

    def __init__(
        self,
        root: Path,
        producer: str | None,
        clock: Clock,
        *,
        consumers: Mapping[Stream, frozenset[str]] = _EMPTY,
        patient: Mapping[Stream, frozenset[str]] = _EMPTY,
        policy: Mapping[Stream, StreamPolicy] | None = None,
        on_loss: OnLoss = _unheard,
        reads: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.producer = producer or ""
        self._root = root
        self._clock = clock
        self._consumers = consumers
        self._patient = patient
        self._policy = policies() if policy is None else policy
        self._on_loss = on_loss
        self._reads = reads
        self._positions = PublishedPositions(root)
        self._writers: dict[Stream, StreamWriter] = {}
        self._readers: dict[tuple[Stream, str], ProducerReader] = {}
        self._consumed: dict[tuple[Stream, str], int] = {}
        self._unpublished: dict[tuple[Stream, str], int] = {}
        self._turn = 0
        self._writing = Lock()
        self._reading = Lock()
        if producer is not None:
            self._resume()

    def _resume(self) -> None:
        for stream in STREAMS:
            for producer, position in self._positions.of(self.producer, stream).items():
                self._note({(stream, producer): position})
            if ProducerFolder(self._root, stream, self.producer).path.is_dir():
                self._note(self._writer(stream).consumed)
        self._publish(self._consumed)

    def append(
        self,
        stream: Stream,
        events: Sequence[Event],
        consumed: Mapping[Stream, Positions] | None = None,
        forwarded: int = 0,
    ) -> tuple[int, ...]:
        """Append all of `events` and set what this process has consumed, in one atomic, durable step.

        `forwarded`: see the port. Returns each event's canonical time in microseconds. Raises LogFull, having
        changed nothing; ValueError when a consumed position would go back.
        """
        groups = codec.groups(events)
        with self._writing:
            table = self._table(consumed or {})
            if not groups and not table:
                return ()
            times = self._writer(stream).append(groups, table, forwarded)
            self._note(table)
            self._publish(table)
        return tuple(times)

    def tick(self, stream: Stream, forwarded: int = 0) -> None:
        """Record "nothing before now is missing" for this producer's stream; roll and purge what is due."""
        with self._writing:
            self._writer(stream).tick(forwarded)

    def adopt(self, stream: Stream, entries: Sequence[Entry]) -> None:
        """Events of another log under their own sequences and canonical times, ascending, from `appended` on.

        What is left out of them is lost. Raises LogFull: then the rest is to come again.
        """
        with self._writing:
            self._writer(stream).adopt(entries)

    def know(self, stream: Stream, end: int, watermark: int, forwarded: int) -> None:
        """Of another log: what was not adopted below `end` never comes, and how far its time is known. See `Batch`.

        Raises LogFull.
        """
        with self._writing:
            writer = self._writer(stream)
            writer.skip(end)
            writer.know(watermark, forwarded)

    def watermark(self, stream: Stream) -> int:
        """Every event that is still to come to `stream` has a later canonical time, in microseconds; 0: unknown."""
        with self._writing:
            writer = self._writers.get(stream)
            return 0 if writer is None else writer.watermark

    def upkeep(self) -> None:
        """Roll and purge what is due, of one that adopts: its time is not this machine's."""
        with self._writing:
            for writer in self._writers.values():
                writer.upkeep()

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Those that this producer has ever written to."""
        with self._writing:
            return tuple(self._writers)

    def roll(self, stream: Stream) -> int:
        """Close the segment in hand, if it has any event; the sequence after all that is closed. Raises LogFull."""
        with self._writing:
            return self._writer(stream).roll()

    def closed(self, stream: Stream) -> list[int]:
        """First sequences of this producer's segments that are not written to any more."""
        with self._writing:
            return self._writer(stream).closed()

    def rewrite(self, stream: Stream, first: int, needles: Sequence[bytes], change: Change) -> int:
        """Change events of this producer's closed segment `first`: see gateway.events.rewrite, with its errors."""
        with self._writing:
            return self._writer(stream).rewrite(first, needles, change)

    def read(self, stream: Stream, after: Positions, limit: int) -> Batch:
        """At most `limit` entries that follow `after`, from all producers; fewer when they are large."""
        positions = dict(after)
        watermarks: dict[str, int] = {}
        forwarded: dict[str, int] = {}
        entries: list[Entry] = []
        with self._reading:
            for producer in self._in_turn(stream):
                wanted = limit - len(entries)
                if wanted <= 0:
                    positions.setdefault(producer, 0)
                    continue
                found = self._reader(stream, producer).read(positions.get(producer, 0), wanted)
                entries += found.entries
                positions[producer] = found.position
                if found.watermark is not None:
                    watermarks[producer] = found.watermark
                if found.forwarded:
                    forwarded[producer] = found.forwarded
        return Batch(tuple(entries), positions, watermarks, forwarded)

    def appended(self, stream: Stream) -> int:
        """How many events this producer has ever appended to `stream`; survives restarts and purges."""
        with self._writing:
            writer = self._writers.get(stream)
            return 0 if writer is None else writer.end

    def consumed(self, stream: Stream) -> dict[str, int]:
        """What this process last recorded as consumed from `stream`."""
        with self._writing:
            return {producer: position for (name, producer), position in self._consumed.items() if name == stream}

    def skip(self, stream: Stream, producer: str, span: range, reason: str) -> int:
        """Note, durably, that this process will never have those sequences of `producer`: for the ledger.

        Returns how many nobody had noted before. Raises OSError.
        """
        set_aside = losses.read(ProducerFolder(self._root, stream, producer).losses)
        own = losses.Losses(self._positions.losses(self.producer, stream, producer))
        pieces = losses.without(span.start, span.stop, set_aside)
        lost = sum(own.add(first, end, reason) for first, end in pieces)
        if lost:
            self._on_loss(stream, reason, lost)
        return lost

    def close(self) -> None:
        """Let go; a second call does nothing."""
        with self._writing, self._reading:
            for writer in self._writers.values():
                writer.close()
            for reader in self._readers.values():
                reader.close()
            self._positions.close()
            self._writers.clear()
            self._readers.clear()

    def _writer(self, stream: Stream) -> StreamWriter:
        writer = self._writers.get(stream)
        if writer is None:
            if not self.producer:
                raise RuntimeError("this log was opened without a producer's name: it only reads")
            writer = self._writers[stream] = StreamWriter(
                ProducerFolder(self._root, stream, self.producer),
                clock=self._clock,
                policy=self._policy[stream],
                consumers=self._consumers.get(stream, frozenset()),
                patient=self._patient.get(stream, frozenset()),
                positions=self._positions,
                on_loss=self._on_loss,
            )
        return writer

    def _reader(self, stream: Stream, producer: str) -> ProducerReader:
        reader = self._readers.get((stream, producer))
        if reader is None:

            def on_damage(first: int, end: int) -> None:
                self._damaged(stream, producer, first, end)

            folder = ProducerFolder(self._root, stream, producer)
            reader = self._readers[stream, producer] = ProducerReader(folder, self._clock.monotonic, on_damage)
        return reader

    def _in_turn(self, stream: Stream) -> list[str]:
        """All producers, another one first each time, so that a busy one cannot starve the rest."""
        names = [name for name in producers(self._root, stream) if self._reads(name)]
        self._turn += 1
        start = self._turn % len(names) if names else 0
        return names[start:] + names[:start]

    def _damaged(self, stream: Stream, producer: str, first: int, end: int) -> None:
        """A consumer keeps what it had to skip, for the ledger; a mere reader skips."""
        if self.producer:
            self.skip(stream, producer, range(first, end), CORRUPT)

    def _table(self, consumed: Mapping[Stream, Positions]) -> ConsumedTable:
        table = {(stream, name): at for stream, positions in consumed.items() for name, at in positions.items()}
        for (stream, name), position in table.items():
            if position < self._consumed.get((stream, name), 0):
                raise ValueError(
                    f"{stream} of {name} was consumed up to {self._consumed[stream, name]}, {position} is behind it"
                )
        return table

    def _note(self, table: ConsumedTable) -> None:
        for key, position in table.items():
            self._consumed[key] = max(position, self._consumed.get(key, 0))

    def _publish(self, table: ConsumedTable) -> None:
        """What could not be published is with the next append: until then a segment is kept longer."""
        for (stream, producer), position in {**self._unpublished, **table}.items():
            try:
                self._positions.publish(self.producer, stream, {producer: position})
                self._unpublished.pop((stream, producer), None)
            except OSError as error:
                self._unpublished[stream, producer] = position
                log.warning("a position cannot be published", stream=stream, producer=producer, error=str(error))
