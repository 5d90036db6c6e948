"""Whose events are gathered, from one start to the next: nobody new comes in the middle of a rollout.

What a gateway saw under the rollout's table before it was gathered comes too late to be evidence, and whoever
verified the rollout afterwards would count it.
"""

from collections.abc import Callable

import msgspec

from gateway import atomicfile
from gateway.controller.record import models_under_way
from gateway.layout import DataFolder
from gateway.settings import ConfigError, Settings


def take_in(settings: Settings, data: DataFolder, under_way: Callable[[], list[str]]) -> None:
    """Note who is gathered from now on. `under_way`: models that have a rollout. Raises ConfigError, OSError."""
    before = _noted(data)
    new = [name for name in settings.events.gather if name not in before]
    models = under_way() if new else []
    if models:
        said = f"{', '.join(new)} is new, and a rollout of {', '.join(models)} is under way"
        raise ConfigError([f"events.gather: {said}: finish it or roll it back first"])
    if tuple(before) != settings.events.gather:
        data.gathered.parent.mkdir(mode=0o700, exist_ok=True)
        atomicfile.replace(data.gathered, msgspec.json.encode(settings.events.gather), durable=True)


def refuse_left_over(settings: Settings, data: DataFolder) -> None:
    """Raises ConfigError where the data folder has a rollout that nobody would go on with; sqlite3.Error."""
    if settings.state is None and settings.control is None:
        return
    if models := models_under_way(data):
        key = "control" if settings.state is None else "state"
        said = f"a rollout of {', '.join(models)} is under way in {data.state}, and decided elsewhere from now on"
        raise ConfigError([f"{key}: {said}: start without it, and finish the rollout or roll it back first"])


def _noted(data: DataFolder) -> list[str]:
    try:
        return msgspec.json.decode(data.gathered.read_bytes(), type=list[str])
    except (FileNotFoundError, msgspec.DecodeError):
        return []
