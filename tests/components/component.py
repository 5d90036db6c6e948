"""What a component is: something real that tests use and that may not be had on every machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

State = Literal["present", "installed", "missing"]


class Missing(Exception):
    """The component cannot be had here; the message is the reason, in one line."""


class Component(Protocol):
    @property
    def name(self) -> str:
        """What tests ask for: `requires("nginx")`."""
        ...

    def find(self) -> Path | None:
        """The program (or folder) if it is installed; takes milliseconds, changes nothing."""
        ...

    def install(self) -> None:
        """Installs it, or raises Missing. Safe to repeat, and beside another process doing the same."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    name: str
    state: State
    detail: str

    def __str__(self) -> str:
        return f"{self.name:<12} {self.state}: {self.detail}"
