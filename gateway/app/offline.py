"""A rollback without the controller: for when it is dead and the canary must go."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from classifiers import constitution
from gateway.app.common import exit_code
from gateway.app.gateways import refuse_left_over
from gateway.app.seat import leading
from gateway.clock import SystemClock
from gateway.configfile import load
from gateway.controller.index import ExchangeIndex
from gateway.controller.known_stores import KnownStores, default_folder
from gateway.controller.recovery import open_state
from gateway.controller.rollouts import Rollouts
from gateway.controller.state_store import SqlStateStore
from gateway.controller.tables import RoutingTables, UnknownModel
from gateway.datafolder import prepare, process_lock
from gateway.layout import DataFolder
from gateway.ports import Clock
from gateway.process import Exit
from gateway.processes import CONTROLLER
from gateway.processlock import DataFolderError, ProcessLock
from gateway.rollout.commands import Refused
from gateway.settings import ConfigError, Settings, State
from gateway.telemetry import logging

_ACTOR = "operator"


def run_rollback(
    config: Path, model: str, reason: str, say: Callable[[str], object], *, as_json: bool = False
) -> int:
    """Take the canary of `model` to 0 %, with a decision in the chain; its exit code.

    Every proxy of this data folder follows within 250 ms. It takes the controller's lock, so that there is never a
    second one who decides; a controller that starts meanwhile waits for it.
    """
    return exit_code(lambda: _rollback(config, model, reason, say, as_json=as_json))


def _rollback(config: Path, model: str, reason: str, say: Callable[[str], object], *, as_json: bool) -> int:
    logging.configure(CONTROLLER, os.environ.get(logging.LEVEL_VARIABLE, "warning"))
    settings = load(config)
    data = DataFolder(settings.data)
    if settings.control is not None:
        raise ConfigError([f"this gateway follows {settings.control.url}: roll back on that machine"])
    prepare(data, say)
    refuse_left_over(settings, data)
    with ExitStack() as stack:
        stack.callback(_lock(data, model).close)
        rollouts, tables = _opened(settings, data, stack)
        try:
            said = _taken_back(rollouts, model, reason)
        except UnknownModel as error:
            raise ConfigError([str(error)]) from error
        tables.publish()  # raises where the first try inside only logged
        route = tables.current().models[model]
        weights = {share.arm: round(share.weight * 100, 9) for share in route.arms}
        shown = ", ".join(f"{arm} {percent:g} %" for arm, percent in weights.items())
        say(json.dumps({"model": model, "said": said, "weights": weights}) if as_json else f"{said}; {shown}")
    return Exit.OK


def _lock(data: DataFolder, model: str) -> ProcessLock:
    try:
        return process_lock(data, CONTROLLER)
    except DataFolderError as error:
        raise DataFolderError(
            f"the controller is alive, ask it: tipstaff rollout rollback {model} --reason ... ({error})"
        ) from error


def _opened(settings: Settings, data: DataFolder, stack: ExitStack) -> tuple[Rollouts, RoutingTables]:
    clock = SystemClock()
    store = open_state(data, clock) if settings.state is None else _lead(settings, settings.state, clock)
    stack.callback(store.close)
    if store.table() is None:
        raise DataFolderError(f"data folder {data.root}: no table was ever published, so nothing has traffic")
    tables = RoutingTables(store, data, KnownStores(default_folder(os.environ, Path.home())), clock)
    index = ExchangeIndex.open(data.index, clock)
    stack.callback(index.close)
    # The constitution in force may be what is broken; no verdict is read here, so any will do.
    return Rollouts(store, tables, index, settings.models, constitution.default(), clock), tables


def _lead(settings: Settings, state: State, clock: Clock) -> SqlStateStore:
    store = leading(settings, state, clock)
    if store is None:
        raise DataFolderError("another gateway leads: ask it, with --admin; `elsewhere` in the status names it")
    return store


def _taken_back(rollouts: Rollouts, model: str, reason: str) -> str:
    """What was done, in words."""
    running = rollouts.running(model)
    if running is not None:
        promoted = running.kept.state.status == "promoted"
        try:
            kept = rollouts.command(model, "undo" if promoted else "rollback", _ACTOR, reason)
        except Refused:
            if not promoted:
                raise
        else:
            return f"rollout {kept.state.rollout} is {kept.state.status.replace('_', ' ')}"
    rollouts.set_weights(model, {}, reason, _ACTOR)
    return "no rollout runs: the weights were set"
