"""Another configuration while everything runs: looked at whole, then in force whole, or refused with reasons."""

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import attrgetter
from pathlib import Path

import msgspec
import structlog

from classifiers.constitution import Constitution
from gateway import unitkeys
from gateway.app import preflight
from gateway.app.constitution import load_constitution
from gateway.app.gateways import take_in
from gateway.app.shared_state import look_of
from gateway.configfile import load
from gateway.configinforce import ConfigInForce, Loading, fingerprint
from gateway.controller.database import StorageUnusable
from gateway.controller.first_wish import wish_problems
from gateway.controller.record import models_under_way
from gateway.core.routing import ModelRoute
from gateway.layout import DataFolder
from gateway.ports import Classifier, Clock
from gateway.process import Again, Parent, run_blocking
from gateway.settings import ConfigError, Model, Settings
from gateway.tablefile import BadTable, read_table

log = structlog.get_logger(__name__)

_LONGEST_WAIT, _LOOK = 10.0, 0.02
"""Seconds until a supervisor has decided, and between two looks."""
UNREAD_BY_SCORER = frozenset(Settings.model_fields) - {
    "classifiers",
    "constitution",
    "data",
    "proxy",
    "retention",
    "scoring",
    "traces",
}
"""Keys of the configuration that a scorer makes nothing of: it is left alone where only they change."""
_AT_A_START = (
    "listen",
    "admin",
    "data",
    "unit_key_file",
    "audit",
    "proxy",
    "limits.queue_bytes",
    "deadlines.drain",
    "retention.numbers_days",
    "events",
)


def fit_to_start(settings: Settings) -> tuple[Constitution, Classifier]:
    """What a scorer reads by. Raises ConfigError for anything that would stop a process from starting with them."""
    from gateway.app.classifier import make_classifier  # a controller has no need of what it brings along

    constitution, classifier = make_classifier(settings)
    _refuse_others(settings, constitution)
    return constitution, classifier


def _refuse_others(settings: Settings, constitution: Constitution) -> None:
    preflight.refuse_problems(settings)
    if found := wish_problems(settings.models, constitution):
        raise ConfigError(found)


def fit_to_follow(settings: Settings, running: Settings, *, reads_alike: bool = False) -> None:
    """Raises ConfigError unless `settings` can take the place of `running` while everything runs.

    `reads_alike`: a scorer is known to start with what it reads of them.
    """
    if found := [*_at_a_start(settings, running), *_raised(settings, running)]:
        raise ConfigError(found)
    if reads_alike:
        _refuse_others(settings, load_constitution(settings.constitution))
    else:
        fit_to_start(settings)
    unitkeys.refuse_another(settings, DataFolder(settings.data))


def _at_a_start(settings: Settings, running: Settings) -> Iterator[str]:
    for key in _AT_A_START:
        if attrgetter(key)(_with_gather(settings, running)) != attrgetter(key)(running):
            yield f"{key}: read at a start only: stop tipstaff and start it again"
    if settings.events.gather and not running.events.gather:
        yield "events.gather: turned on at a start only: stop tipstaff and start it again"
    for key in ("tls", "control", "state"):
        if (getattr(settings, key) is None) != (getattr(running, key) is None):
            yield f"{key}: turned on and off at a start only: stop tipstaff and start it again"


def _with_gather(settings: Settings, running: Settings) -> Settings:
    """Who is gathered may change."""
    events = settings.events.model_copy(update={"gather": running.events.gather})
    return settings.model_copy(update={"events": events})


def _raised(settings: Settings, running: Settings) -> Iterator[str]:
    """Shares that the configuration would raise and that are somebody else's word: an operator's, a decision's."""
    routes = _routes(running)
    for name, model in settings.models.items():
        before, route = running.models.get(name), routes.get(name)
        if before is None or route is None or route.decided_by == "config":
            continue
        known = {share.arm for share in route.arms}
        for arm, weight in model.weights.items():
            if arm in known and weight > before.weights.get(arm, 0.0) and weight > route.weight(arm):
                yield (
                    f"models.{name}.arms.{arm}.weight: {arm!r} has {route.weight(arm) * 100:g} % by "
                    f"{_whose(route)}, and a configuration does not raise that: tipstaff weights {name} "
                    f"{arm}={weight * 100:g} --reason '...', or tipstaff rollout start"
                )


def _notes(settings: Settings, running: Settings) -> Iterator[str]:
    """What of them has no effect, or one that may surprise."""
    under_way = _under_way(running)
    routes = _routes(running) if settings.control is None else {}
    for name, model in settings.models.items():
        before, route = running.models.get(name), routes.get(name)
        if before is not None and name in under_way and _versions(before) != _versions(model):
            yield f"{name}: its rollout is taken back if it was about an arm or a version that is no more"
        elif route is not None and route.decided_by != "config" and _differs(model, route):
            yield f"{name}: the weights stay those of {_whose(route)}; tipstaff weights {name} changes them"


def _under_way(running: Settings) -> list[str]:
    """As far as that can be known now."""
    try:
        return models_under_way(DataFolder(running.data), look_of(running))
    except StorageUnusable:
        return []


def _versions(model: Model) -> dict[str, str]:
    return {name: arm.version for name, arm in model.arms.items()}


def _differs(model: Model, route: ModelRoute) -> bool:
    return any(abs(weight - route.weight(arm)) > 1e-9 for arm, weight in model.weights.items())


def _whose(route: ModelRoute) -> str:
    who = {"operator": "an operator's word", "decision": "a decision"}.get(route.decided_by, "a safety rule")
    return f"{who} ({route.reason})" if route.reason else who


def _routes(running: Settings) -> dict[str, ModelRoute]:
    try:
        table = read_table(DataFolder(running.data).table)
    except (BadTable, OSError):
        return {}
    return {} if table is None else table.models


class Supervised:
    """The configuration of `tipstaff serve`: read from `source`, handed on through the data folder."""

    def __init__(self, source: Path, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self.settings = load(source)
        self._read = fingerprint(self.settings, UNREAD_BY_SCORER)
        self.in_force = ConfigInForce(DataFolder(self.settings.data))

    def start(self) -> None:
        """Put it in force. The data folder is there, and nobody else's."""
        self.in_force.take(self._source, self.settings, self._clock.now_us())

    def reload(self) -> bool:
        """Read the file again; whether it is in force now. Why not is in the log, and in `in_force.loading()`."""
        now_us = self._clock.now_us()
        try:
            settings = load(self._source)
            read = fingerprint(settings, UNREAD_BY_SCORER)
            fit_to_follow(settings, self.settings, reads_alike=read == self._read)
            data = DataFolder(settings.data)
            take_in(settings, data, partial(models_under_way, data, look_of(settings)))
            self.in_force.take(self._source, settings, now_us, list(_notes(settings, self.settings)))
        except ConfigError as error:
            return self._refused(error.problems, now_us)
        except (OSError, sqlite3.Error) as error:
            return self._refused([f"the configuration cannot be put in force: {error}"], now_us)
        self.settings, self._read = settings, read
        log.info("configuration reloaded", source=str(self._source))
        return True

    def _refused(self, problems: list[str], now_us: int) -> bool:
        tell_refused(problems)
        self.in_force.refused(problems, now_us)
        return False


def reloaded(config: Path, running: Settings, parent: Parent) -> Settings:
    """What a process goes on with after SIGHUP. A supervisor has looked at it before. Raises ConfigError."""
    if parent.watches:
        return ConfigInForce(DataFolder(running.data)).settings()
    settings = load(config)
    fit_to_follow(settings, running)
    return settings


class ConfigDesk:
    """`gateway.controller.parts.Configuration`."""

    def __init__(self, config: Path, running: Settings, parent: Parent, clock: Clock) -> None:
        self._running = running
        self._config = config
        self._parent = parent
        self._in_force = ConfigInForce(DataFolder(running.data))
        self._clock = clock
        started_us = clock.now_us()
        self._own = Loading(str(config), started_us, started_us)

    def settings(self) -> Settings:
        """Those that this process runs by."""
        return self._running

    def loading(self) -> Loading:
        """Without a supervisor: of this process."""
        found = self._in_force.loading() if self._parent.watches else None
        return found or self._own

    def refused(self, problems: list[str]) -> None:
        """The file was read again, by this process, and not taken."""
        self._own = msgspec.structs.replace(self._own, tried_us=self._clock.now_us(), problems=tuple(problems))

    def reload(self) -> None:
        """See Configuration."""
        if self._parent.watches:
            before = self.loading()
            self._parent.ask_for_reload()
            self._until_decided(before)
        else:
            reloaded(self._config, self._running, self._parent)
            self._parent.ask_for_reload()

    def _until_decided(self, before: Loading) -> None:
        for _ in range(round(_LONGEST_WAIT / _LOOK)):
            loading = self.loading()
            if loading.tried_us != before.tried_us:
                if loading.problems:
                    raise ConfigError(list(loading.problems))
                return
            time.sleep(_LOOK)
        raise TimeoutError


def tell_refused(problems: Iterable[str]) -> None:
    """Say in the log why a configuration was not taken."""
    for problem in problems:
        log.error("configuration refused, nothing has changed", problem=problem)


class Renewal:
    """SIGHUP in a process that takes another configuration by beginning anew: it ends in order first.

    `stop` is called, from a thread, once that is due; `refused` when it is not to be. Where nothing has changed but
    what stands under keys that this process is known not to read, `unread`, it goes on as it is.
    """

    def __init__(
        self,
        config: Path,
        running: Settings,
        parent: Parent,
        refused: Callable[[list[str]], object] = lambda _problems: None,
        unread: frozenset[str] = frozenset(),
    ) -> None:
        self._config = config
        self._running = running
        self._parent = parent
        self._refused = refused
        self._unread = unread
        self._read = self._what_is_read(running)
        self._due = threading.Event()
        self.stop: Callable[[], object] = lambda: None

    def asked(self) -> None:
        """For the signal's handler."""
        threading.Thread(target=self._look, name="reload", daemon=True).start()

    def _look(self) -> None:
        try:
            settings = reloaded(self._config, self._running, self._parent)
            read = self._what_is_read(settings)
        except ConfigError as error:
            tell_refused(error.problems)
            self._refused(error.problems)
            return
        if self._unread and read == self._read:
            log.info("configuration taken: nothing that this process reads has changed")
            self._running = settings
            self._parent.ready()
            return
        self.begin_anew()

    def begin_anew(self) -> None:
        """Without being asked to, from any thread."""
        self._due.set()
        self.stop()

    def _what_is_read(self, settings: Settings) -> str:
        return fingerprint(settings, self._unread) if self._unread else ""

    @property
    def due(self) -> bool:
        """Whether this end is a new beginning."""
        return self._due.is_set()

    def finish(self) -> None:
        """At the end. Raises Again when it was the end for that."""
        if self.due:
            raise Again


def run_renewed(main: Callable[[threading.Event], None], parent: Parent, renewal: Renewal) -> None:
    """`run_blocking`, ready at once, and ended by a SIGHUP that asks for a new beginning."""

    def run(stop: threading.Event) -> None:
        renewal.stop = stop.set
        signal.signal(signal.SIGHUP, lambda _number, _frame: renewal.asked())
        parent.ready()
        main(stop)

    run_blocking(run, parent)
