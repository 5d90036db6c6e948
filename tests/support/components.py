"""What a test says when it needs something real, and what was used, missing or never asked for.

`@requires("nginx")` on a test, or the fixture `components.path("nginx")` where the program itself is wanted.
A component that cannot be had skips the test with its reason; with CI=true it fails it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.components.catalogue import COMPONENTS, component
from tests.components.reasons import recall

requires = pytest.mark.requires


class ComponentUse:
    """Hands out components and remembers which: one object per test session."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._missing: dict[str, str] = {}

    def path(self, name: str) -> Path:
        """Where component `name` is; skips (in CI: fails) the test when it cannot be had."""
        found = component(name).find()
        if found is None:
            self._missing[name] = recall(name)
            _do_without(f"{name} is missing: {self._missing[name]}")
        self._used.add(name)
        return found

    def summary(self) -> Iterator[str]:
        """One line per component, for the end of the run."""
        for each in COMPONENTS:
            yield f"{each.name:<12} {self._state(each.name)}"

    def _state(self, name: str) -> str:
        if name in self._missing:
            return f"MISSING, its tests did not run: {self._missing[name]}"
        return "used" if name in self._used else "not asked for by any test that ran"

    def __bool__(self) -> bool:
        return bool(self._used or self._missing)


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _do_without(reason: str) -> NoReturn:
    if in_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
