"""The durable record of a stream: events go from the loop into a bounded queue, in groups from there into the log.

The loop's part is an append to a deque. One writer thread takes what has gathered and commits it. It is woken only
from idleness: under load it lingers LINGER_SECONDS, so that a group forms and the loop's core is not interrupted
for every event.

Who moves which number: the loop `started`, dropped{queue_full, shutdown}; the writer `produced`,
dropped{disk_full, log_failed}; the start, before there is a writer, the rest.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import structlog

from gateway.events.counted import DISK_FULL, LOG_FAILED, QUEUE_FULL, SHUTDOWN, Correction, Ledger
from gateway.events.schema import AuditV1, ExchangeV1, FeedbackV1, Stream
from gateway.ports import Clock, EventLog, LogFull
from gateway.telemetry.metrics import Meters

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

STREAM: Stream = "exchanges"
TICK_SECONDS = 0.25
LINGER_SECONDS = 0.04
"""Measured: a commit is 0.6 ms of CPU, so 20 a second are 1.2 % of a core; without lingering it was 3 to 20 times
as much per exchange. It is also what kill -9 may cost: exchanges of that long."""
PROBE_SECONDS = 0.5
GROUP_BYTES = 8 << 20
GROUP_EXCHANGES = 1000
RECORD_OVERHEAD = 2048
"""Bytes that a queued event is taken to need beside its bodies."""

Policy = Literal["batched", "strict"]
_REFUSED: dict[Stream, str] = {
    "exchanges": "new requests are refused",
    "feedback": "new feedback is refused",
    "audit": "nobody may force an arm",
}
Recorded = ExchangeV1 | FeedbackV1 | AuditV1


class Recorder:
    """Records one stream, by a thread of its own. Per event `started` once, then `record` once; or `offer`.
    All but `start` and `reconcile` on the loop.

    `batched`: what the log cannot take is dropped, and counted. `strict`: it is kept and tried again every
    PROBE_SECONDS, and `accepts` is False until that has worked (and while the queue is half full).
    """

    def __init__(
        self,
        event_log: EventLog,
        meters: Meters,
        policy: Policy,
        queue_bytes: int,
        clock: Clock,
        linger: float = LINGER_SECONDS,
        stream: Stream = STREAM,
    ) -> None:
        self.ledger = Ledger(meters, stream)
        self.started: Callable[[], None] = self.ledger.started.inc
        """An event that will be recorded has begun."""
        self._stream = stream
        self._log = event_log
        self._strict = policy == "strict"
        self._queue_bytes = queue_bytes
        self._clock = clock
        self._linger = linger
        self._queue: deque[tuple[Recorded, int]] = deque()
        self._held: list[tuple[Recorded, int]] = []
        self._bytes_in = 0  # the loop's
        self._bytes_out = 0  # the writer's: the difference is queued, without a lock
        self._next_tick = 0.0
        self._full = False
        self._idle = False
        self._closed = False
        self._abandoned = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"recorder of {stream}", daemon=True)

    def start(self) -> Correction:
        """Bring the ledger in line with the log, then start the writer. Blocks for one look at the log."""
        needed = self.reconcile()
        self._thread.start()
        return needed

    def reconcile(self) -> Correction:
        """Book what an earlier run left open; done by `start`."""
        needed = self.ledger.reconcile(self._log.appended(self._stream))
        if any(needed):
            log.warning("ledger brought in line with the log", stream=self._stream, **needed._asdict())
        return needed

    def record(self, exchange: ExchangeV1) -> None:
        """Take a finished exchange. Never waits: when there is no room it is dropped, and counted."""
        size = RECORD_OVERHEAD + len(exchange.request.kept or b"") + len(exchange.response.kept or b"")
        if self._closed or self._bytes_in - self._bytes_out + size > self._queue_bytes:
            self.ledger.dropped[SHUTDOWN if self._closed else QUEUE_FULL].inc()
            return
        self._put(exchange, size)

    def offer(self, events: Sequence[FeedbackV1] | Sequence[AuditV1]) -> bool:
        """Begin and take all of them, or none: False when there is no room, or `strict` and the log is full."""
        size = len(events) * RECORD_OVERHEAD
        full = self._strict and self._full
        if self._closed or full or self._bytes_in - self._bytes_out + size > self._queue_bytes:
            return False
        for event in events:
            self.started()
            self._put(event, RECORD_OVERHEAD)
        return True

    def _put(self, event: Recorded, size: int) -> None:
        self._bytes_in += size
        self._queue.append((event, size))
        if self._idle:
            self._idle = False
            self._wake.set()

    def accepts(self) -> bool:
        """False when new traffic must be refused because it could not be recorded."""
        if not self._strict:
            return True
        return not self._full and (self._bytes_in - self._bytes_out) * 2 <= self._queue_bytes

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know, a sentence each."""
        if not self._full:
            return ()
        what = _REFUSED[self._stream] if self._strict else f"{self._stream} are not recorded"
        return (f"the event log takes no more (disk full?): {what}",)

    async def close(self, deadline: float) -> None:
        """Commit what is queued, at most `deadline` seconds; drop the rest, and count it."""
        self._closed = True
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, deadline)
        self._abandoned = True
        left = 0
        while self._pop() is not None:
            left += 1
        self.ledger.dropped[SHUTDOWN].inc(left)
        if left:
            log.error("events lost at shutdown", stream=self._stream, count=left)

    def commit(self) -> None:
        """Append what is queued now, group by group; stop when the log is full (strict). The writer's step."""
        waiting = len(self._queue)  # what comes meanwhile lingers for the next step, else groups would be small
        while not self._abandoned and (group := self._held or self._take(waiting)):
            waiting -= 0 if self._held else len(group)
            self._held = []
            if not self._append(group):
                return

    def tick(self) -> None:
        """Tell the log how far the stream is known, every TICK_SECONDS. The writer's step."""
        now = self._clock.monotonic()
        if now < self._next_tick:
            return
        self._next_tick = now + TICK_SECONDS
        try:
            self._log.tick(self._stream)
        except Exception:
            # The log is the thing that is broken, and a missing tick only makes readers wait: heard of in the log.
            log.exception("tick failed", stream=self._stream)

    def _run(self) -> None:
        while not self._abandoned:
            self._await_work()
            self.commit()
            if self._closing.is_set() and not self._queue:
                return
            self.tick()

    def _await_work(self) -> None:
        if self._held:
            self._closing.wait(PROBE_SECONDS)
            return
        self._idle = True
        if not self._queue:  # after the flag: whoever appends from here on wakes us
            self._wake.wait(TICK_SECONDS)
        self._idle = False
        self._wake.clear()
        if self._queue:
            self._closing.wait(self._linger)

    def _take(self, most: int) -> list[tuple[Recorded, int]]:
        group: list[tuple[Recorded, int]] = []
        size = 0
        for _ in range(min(most, GROUP_EXCHANGES)):
            if size >= GROUP_BYTES or (item := self._pop()) is None:
                break
            group.append(item)
            size += item[1]
        return group

    def _pop(self) -> tuple[Recorded, int] | None:
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def _append(self, group: list[tuple[Recorded, int]]) -> bool:
        """True when the group is done with, one way or the other; False when it is held for another try."""
        try:
            self._log.append(self._stream, [event for event, _ in group])
        except LogFull as error:
            self._note_full(error)
            if self._strict and not self._closing.is_set():
                self._held = group
                return False
            self._lose(group, DISK_FULL)
        except Exception:
            # Whatever the engine raises must not end the writer: operators hear by log and dropped{log_failed}.
            log.exception("events could not be appended", stream=self._stream, count=len(group))
            self._lose(group, LOG_FAILED)
        else:
            self.ledger.produced.inc(len(group))
            self._let_go(group)
            self._note_room()
        return True

    def _lose(self, group: list[tuple[Recorded, int]], reason: str) -> None:
        self.ledger.dropped[reason].inc(len(group))
        self._let_go(group)

    def _let_go(self, group: list[tuple[Recorded, int]]) -> None:
        self._bytes_out += sum(size for _, size in group)

    def _note_full(self, error: LogFull) -> None:
        if not self._full:
            log.error("the event log is full", stream=self._stream, refusing=self._strict, error=str(error))
        self._full = True

    def _note_room(self) -> None:
        if self._full:
            log.info("the event log takes events again", stream=self._stream)
        self._full = False
