"""The controller process, put together."""

import asyncio
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path

from gateway import __version__, unitkeys
from gateway.app.common import Process, consumers, exit_code, part_died, running_process
from gateway.app.constitution import load_constitution
from gateway.app.readers import Readers
from gateway.app.reload import ConfigDesk, Renewal
from gateway.app.seat import tables_of, take_seat
from gateway.controller import shell
from gateway.controller.access import Access
from gateway.controller.api import create_app
from gateway.controller.constitutions import Constitutions
from gateway.controller.database import opening
from gateway.controller.evidence_history import EvidenceHistory
from gateway.controller.exemplars import ViolationExemplars
from gateway.controller.feedback import FeedbackReader
from gateway.controller.feedback_index import FeedbackIndex
from gateway.controller.first_wish import start_wished
from gateway.controller.folder_watch import FolderWatch
from gateway.controller.followed import FollowedTables
from gateway.controller.forgetting import UnitForgetting
from gateway.controller.history_file import open_history
from gateway.controller.index import ExchangeIndex
from gateway.controller.label_correction import LabelCorrection
from gateway.controller.label_evidence import LabelEvidence
from gateway.controller.levels import Levels
from gateway.controller.loop import Apart, ControllerLoop
from gateway.controller.loss_watch import LossWatch
from gateway.controller.notify import ChainHead, Notifier, receivers
from gateway.controller.orders import Orders
from gateway.controller.outbox import Outbox
from gateway.controller.parts import ControllerParts
from gateway.controller.refusals import counted
from gateway.controller.reports import Reporting
from gateway.controller.rereading import Rereading
from gateway.controller.rollouts import Rollouts
from gateway.controller.series import ControllerSeries
from gateway.controller.server import ServerDied, serve
from gateway.controller.sessions import Sessions
from gateway.controller.standings import Standings
from gateway.controller.statuses import Statuses
from gateway.controller.surroundings import Surroundings
from gateway.controller.traffic import TrafficReader
from gateway.controller.trail import AuditTrail
from gateway.controller.verdicts import VerdictReader
from gateway.controller.waiting import Front, waiting_app
from gateway.curation.store import LabelStore
from gateway.events import ledger
from gateway.events.gathering import awaited
from gateway.events.ledger import Ledger
from gateway.events.retired import tidy_gathered, tidy_retired
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.forgetting import ForgettingFolder
from gateway.keys import load_tokens, settings_fingerprint
from gateway.layout import DataFolder
from gateway.patience import Patience
from gateway.ports import Clock, LogFull, StaleHead, StateStore
from gateway.process import Exit, Parent, inherited, listen, run_async
from gateway.processes import CONTROLLER, GATHER, SCORER, configured, proxy_name
from gateway.scoring.texts import KeptTexts
from gateway.tasks import Tasks
from gateway.telemetry.exposition import Exposition
from gateway.telemetry.metrics import DROPPED

_RETRY_SECONDS, _SELDOM_SECONDS = 0.5, 60.0
_REREADING_SECONDS = 30.0
"""For whoever tries a constitution: no longer than a person waits, and than a connection is kept."""


def run_controller(config: Path, listen_fd: int | None, parent_fd: int | None, *, adopt: bool) -> int:
    """The controller until it is told to stop; its exit code. `adopt`: see `FollowedTables`."""
    return exit_code(lambda: _run_controller(config, listen_fd, Parent(parent_fd), adopt=adopt))


def _run_controller(config: Path, listen_fd: int | None, parent: Parent, *, adopt: bool) -> int:
    with running_process(config, CONTROLLER) as process, ExitStack() as stack:
        # A copy: the supervisor's own is needed again when this process begins anew.
        listener = listen(process.settings.admin) if listen_fd is None else inherited(os.dup(listen_fd))
        desk = ConfigDesk(config, process.settings, parent, process.clock)
        renewal = Renewal(config, process.settings, parent, desk.refused)
        run_async(partial(_control, process, stack, listener, parent, desk, renewal, adopt=adopt), parent)
        renewal.finish()
    return Exit.OK


async def _control(
    process: Process,
    stack: ExitStack,
    listener: socket.socket,
    parent: Parent,
    desk: ConfigDesk,
    renewal: Renewal,
    stop: asyncio.Event,
    *,
    adopt: bool,
) -> None:
    loop = asyncio.get_running_loop()

    def end() -> None:
        with suppress(RuntimeError):  # it has ended meanwhile
            loop.call_soon_threadsafe(stop.set)

    renewal.stop = end
    loop.add_signal_handler(signal.SIGHUP, renewal.asked)
    access, on_death = _access(process), _in_loop(loop, stop, renewal)
    make = partial(_controller, process, access, desk, renewal.begin_anew, on_death, stop, adopt=adopt)
    start = _Start(process, access, stack, make)
    tasks = Tasks(lambda name, error: part_died(name, error, stop))
    started = start.attempt()
    if not started:
        tasks.spawn("start", start.keep_trying(parent.ready))
    try:
        await serve(start.front, listener, stop, parent.ready if started else _not_yet)
    except ServerDied as error:
        part_died("admin server", error, stop)
    finally:
        await tasks.close()


def _not_yet() -> None:
    """The admin port answers, but there is no controller behind it."""


class _Start:
    """Starts the controller once its files can be used; until then `front`, the admin port, says why not."""

    def __init__(
        self,
        process: Process,
        access: Access,
        stack: ExitStack,
        make: Callable[[ExitStack], tuple[ControllerParts, ControllerLoop]],
    ) -> None:
        self._stack = stack
        self._make = make
        self._why = ""
        self._started = False
        self._patience = Patience("starting", process.clock)
        self._shell = shell.load()
        exposition, refused = Exposition(process.data.counters), counted(process.meters)
        self.front = Front(
            waiting_app(lambda: self._why, exposition, _ledgers(process), access, refused, self._shell)
        )

    def attempt(self) -> bool:
        """Whether it has started. Raises what no waiting mends."""
        with self._patience.trying():
            self._start()
        return self._started

    def _start(self) -> None:
        with ExitStack() as stack:
            try:
                parts, loop = self._make(stack)
            except (OSError, sqlite3.Error, LogFull) as error:
                self._why = str(error)
                raise
            loop.start()
            stack.callback(loop.close)
            self._stack.enter_context(stack.pop_all())
        self.front.app = create_app(parts, self._shell)
        self._started = True

    async def keep_trying(self, ready: Callable[[], None]) -> None:
        """Until it has started: a disk may be full for long."""
        started = False
        while not started:
            await asyncio.sleep(_RETRY_SECONDS)
            started = self._patience.due and await asyncio.to_thread(self.attempt)
        ready()


def _controller(
    process: Process,
    access: Access,
    desk: ConfigDesk,
    begin_anew: Callable[[], object],
    on_death: Callable[[BaseException], None],
    ending: asyncio.Event,
    stack: ExitStack,
    *,
    adopt: bool,
) -> tuple[ControllerParts, ControllerLoop]:
    settings, data, clock = process.settings, process.data, process.clock
    constitution = load_constitution(settings.constitution)
    seat = take_seat(process, stack, begin_anew, adopt=adopt)
    store, decides = seat.store, seat.source is None
    tell = _notifier(process, store, stack).tell
    tables = tables_of(process, seat, tell, adopt=adopt)
    index, feedback, labels, events = _opened(process, stack)
    memory = stack.enter_context(closing(open_history(data.history, clock)))
    trail = _trail(process, events)
    constitutions = Constitutions(store, constitution)
    with opening(data.state):
        constitutions.note(clock.now_us())
    texts = KeptTexts(data.texts, None, clock, settings.retention.days, settings.retention.bytes)
    rereading = Rereading(
        index.find,
        texts.get,
        constitution,
        Readers(settings.scoring),
        clock,
        seconds=_REREADING_SECONDS,
        ending=ending.is_set,
    )
    folder = FolderWatch(data)
    awaits = partial(awaited, settings.events.gather)
    exemplars = ViolationExemplars()
    reader = VerdictReader(events, index, process.meters, awaits, exemplars.see)
    feedback_reader = FeedbackReader(events, feedback, index, process.meters, awaits)
    rollouts = Rollouts(store, tables, index, settings.models, constitution, clock, on_decision=tell)
    statuses = Statuses(data.statuses, clock)
    orders = Orders(rollouts, settings.models, constitution, TrafficReader(index, constitution, clock), statuses)
    if decides:
        with opening(data.state):
            rollouts.stop_changed()
            start_wished(settings.models, orders, rollouts)
    reporting = Reporting(rollouts, feedback_reader)
    levels = Levels(store, index, {} if seat.stands_by else settings.models, constitution, clock, tell)
    corrections = LabelCorrection(labels, index, constitution)
    said = LabelEvidence(rollouts, corrections, clock)
    people, workers = ForgettingFolder(data), tuple(map(proxy_name, range(settings.proxy.workers)))
    forgetting = UnitForgetting(
        people,
        store=store,
        index=index,
        labels=labels,
        rollouts=rollouts,
        levels=levels,
        trail=trail,
        clock=clock,
        unit_keys=partial(unitkeys.known, settings, data),
        missing_keys=partial(unitkeys.missing, settings, data),
        workers=(SCORER, *((GATHER,) if settings.events.gather else ()), *workers),
        horizon_us=lambda: reader.horizon_us,
    )
    history, losses = EvidenceHistory(memory, rollouts), LossWatch(memory, clock)
    counted = Exposition(data.counters)
    loop = ControllerLoop(
        (
            reader.step,
            feedback_reader.step,
            forgetting.step,
            lambda: rollouts.advance(reader.horizon_us),
            reporting.step,
            lambda: levels.step(reader.horizon_us),
        ),
        (
            reader.tick,
            Surroundings(rollouts, statuses, clock).look,
            said.look,
            rollouts.forget_some,
            tables.publish,
            trail.step,
            Outbox(store, events, process.meters).step,
            _Seldom(clock, partial(unitkeys.tell_changes, data, partial(trail.tell, "config", "key.rotated"))),
            _Seldom(clock, partial(tidy_retired, data.log, "exchanges", workers, process.event_log)),
            _Seldom(clock, partial(tidy_retired, data.log, "feedback", workers, process.event_log)),
            _Seldom(clock, partial(tidy_gathered, data.log, process.event_log)),
            Apart("remembering evidence", history.look, clock),
            Apart("remembering losses", _Seldom(clock, lambda: losses.look(counted.totals()[DROPPED.name])), clock),
        ),
        (index, feedback, labels, people, history, losses),
        open_since=rollouts.open_since,
        kept_days=settings.retention.numbers_days,
        folder=folder,
        clock=clock,
        on_death=on_death,
    )
    ledgers, standings = _ledgers(process), Standings(rollouts, clock)
    series = ControllerSeries(
        tables,
        ledgers,
        constitution,
        levels,
        standings.of,
        partial(statuses.silences, workers),
        version=__version__,
        classifier="rules" if settings.scoring.encoder == "none" else "rules, encoder",
    )
    parts = ControllerParts(
        version=__version__,
        store=store,
        tables=tables,
        index=index,
        feedback=feedback,
        labels=labels,
        corrections=corrections,
        texts=texts,
        constitution=constitution,
        constitutions=constitutions,
        rereading=rereading,
        statuses=statuses,
        rollouts=rollouts,
        orders=orders,
        standings=standings,
        levels=levels,
        history=history,
        losses=losses,
        models=settings.models,
        configuration=desk,
        ledgers=ledgers,
        exposition=Exposition(data.counters, series, exemplars.shown, configured(settings)),
        healthy=lambda: [] if loop.alive else ["the controller's loop has ended"],
        folder=folder,
        access=access,
        trail=trail,
        forgetting=forgetting,
        unit_key=partial(_unit_key, data),
        ending=ending,
        meters=process.meters,
        clock=clock,
    )
    if isinstance(tables, FollowedTables):
        stack.callback(tables.close)
        tables.start(on_death)
    return parts, loop


def _unit_key(data: DataFolder) -> str:
    found = unitkeys.in_use(data)
    return "" if found is None else found.fingerprint


def _opened(process: Process, stack: ExitStack) -> tuple[ExchangeIndex, FeedbackIndex, LabelStore, SqliteEventLog]:
    data, clock = process.data, process.clock
    index = stack.enter_context(closing(ExchangeIndex.open(data.index, clock)))
    feedback = stack.enter_context(closing(FeedbackIndex.open(data.feedback, clock)))
    labels = stack.enter_context(closing(LabelStore.open(data.labels, clock)))
    events = stack.enter_context(closing(process.event_log()))
    return index, feedback, labels, events


def _trail(process: Process, events: SqliteEventLog) -> AuditTrail:
    """With the configuration that was loaded."""
    trail = AuditTrail(events, process.clock, process.meters)
    digest = settings_fingerprint(process.settings)
    trail.note("config", "config.loaded", digest, f"controller, tipstaff {__version__}")
    return trail


class _Seldom:
    """A chore that is due about once a minute."""

    def __init__(self, clock: Clock, chore: Callable[[], object]) -> None:
        self._clock = clock
        self._chore = chore
        self._at = float("-inf")

    def __call__(self) -> None:
        now = self._clock.monotonic()
        if now - self._at >= _SELDOM_SECONDS:
            self._chore()
            self._at = now


def _notifier(process: Process, store: StateStore, stack: ExitStack) -> Notifier:
    settings = process.settings
    notifier = Notifier(receivers(settings.notify), settings.public_url, ChainHead(store).read, process.meters)
    notifier.start()
    stack.callback(notifier.close)
    return notifier


def _ledgers(process: Process) -> Callable[[], Mapping[Stream, Ledger]]:
    data = process.data
    return partial(ledger.read, data.log, data.counters, consumers(process.settings))


def _access(process: Process) -> Access:
    settings, tokens = process.settings, load_tokens(process.settings)
    sessions = Sessions(process.data.sessions, tokens, process.clock, settings.admin_session_hours * 3600)
    return Access(tokens, sessions, settings.admin_users)


def _in_loop(
    loop: asyncio.AbstractEventLoop, stop: asyncio.Event, renewal: Renewal
) -> Callable[[BaseException], None]:
    def on_death(error: BaseException) -> None:
        if isinstance(error, StaleHead):  # another leads by now
            renewal.begin_anew()
        else:
            loop.call_soon_threadsafe(part_died, "a part of the controller", error, stop)

    return on_death
