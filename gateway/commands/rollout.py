"""`tipstaff rollout ...`: asks the controller; what comes back is JSON of the admin API."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import yaml

from gateway.commands.adminclient import AdminClient, AdminError
from gateway.commands.words import percent
from gateway.process import Exit

_BACK = frozenset({"rolled_back", "stopped", "undone"})
_ARRIVED = frozenset({"promoted", "finished"})
_POLL_SECONDS = 1.0
_FILES = (".yaml", ".yml", ".json")

Goal = Callable[[dict[str, Any]], bool]


def plan_of(given: str) -> object:
    """A preset's name, or what a file says, with or without a `plan:` around it. Raises ValueError, OSError."""
    path = Path(given)
    if path.suffix not in _FILES:
        return given
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{given}: not YAML: {' '.join(str(error).split())}") from error
    return found["plan"] if isinstance(found, dict) and set(found) == {"plan"} else found


def status(client: AdminClient, model: str) -> dict[str, Any]:
    """Where the model's newest rollout stands. Raises AdminError."""
    return client.get(_path(model))


def plan(client: AdminClient, model: str, given: object) -> dict[str, Any]:
    """What a plan would take. Raises AdminError."""
    return client.post(f"{_path(model)}/plan", {"plan": given})


def start(client: AdminClient, model: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Start one; what is None in `wanted` is the controller's to choose. Raises AdminError."""
    return client.post(_path(model), {name: value for name, value in wanted.items() if value is not None})


def other_arm(client: AdminClient, model: str) -> str:
    """The one arm of a model beside the first. Raises AdminError, ValueError where there are more or none."""
    others = list(client.get(f"/models/{quote(model, safe='/')}/weights")["weights"])[1:]
    if len(others) != 1:
        raise ValueError(f"--to: which arm of {model}? Beside the first there are {', '.join(others) or 'none'}")
    return str(others[0])


def say(client: AdminClient, model: str, word: str, reason: str) -> dict[str, Any]:
    """A word to it. Raises AdminError."""
    return client.post(f"{_path(model)}/{word}", {"reason": reason})


def history(client: AdminClient, model: str) -> dict[str, Any]:
    """All rollouts of a model. Raises AdminError."""
    return client.get(f"{_path(model)}/history")


def decisions(client: AdminClient, model: str, rollout: str | None) -> dict[str, Any]:
    """The decisions of one rollout, by default of the newest. Raises AdminError."""
    return client.get(f"{_path(model)}/{rollout or status(client, model)['id']}/decisions")


def decision(client: AdminClient, identifier: str) -> dict[str, Any]:
    """One decision with its evidence. Raises AdminError."""
    return client.get(f"/decisions/{quote(identifier, safe='')}")


class Waited(msgspec.Struct, frozen=True):
    """How waiting ended: the exit code, and where the rollout stood."""

    code: Exit
    found: dict[str, Any]


def goal(text: str) -> Goal:
    """promoted, ended, or stage=N. Raises ValueError."""
    kind, _, number = text.partition("=")
    if kind == "stage" and number.isdigit() and int(number):
        return lambda found: found["status"] in _ARRIVED or found["stage"]["number"] >= int(number)
    if text == "promoted":
        return lambda found: found["status"] in _ARRIVED
    if text == "ended":
        return lambda found: found["status"] in _ARRIVED | _BACK
    raise ValueError(f"--for {text}: expected promoted, ended, or stage=N")


def wait(
    client: AdminClient,
    model: str,
    reached: Goal,
    timeout: float,
    tell: Callable[[str], None],
    *,
    now: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Waited:
    """Until it is `reached`, went back, or `timeout` seconds are over; `tell` hears what changes.

    A controller that doesn't answer for a while is waited for too. Raises AdminError if it never answered.
    """
    until = now() + timeout
    found = status(client, model)
    heard = _Once(tell)
    while True:
        heard.say(_line(found))
        if reached(found):
            return Waited(Exit.OK, found)
        if found["status"] in _BACK:
            return Waited(Exit.WENT_BACK, found)
        if now() >= until:
            return Waited(Exit.TIMED_OUT, found)
        pause(min(_POLL_SECONDS, max(until - now(), 0.0)))
        try:
            found = status(client, model)
        except AdminError as error:
            heard.say(str(error))


class _Once:
    """Passes a line on unless it was the last or the one before it: a controller that starts repeats both."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._last: tuple[str, ...] = ()

    def say(self, line: str) -> None:
        """One line."""
        if line not in self._last:
            self._tell(line)
            self._last = (*self._last[-1:], line)


def _line(found: dict[str, Any]) -> str:
    where = f"canary {percent(found['stage']['percent'])}"
    return f"{found['status'].replace('_', ' ')}, {where}: {found['why']}"


def _path(model: str) -> str:
    return f"/models/{quote(model, safe='/')}/rollout"
