"""Tells the story: lines for everyone, and on a terminal a table that stays below them and moves."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.demo.observation import ArmSeen, Made, Observation, Rate
from gateway.ports import Clock

_EVERY_SECONDS = 5.0


class Latency:
    """Median seconds to the first byte, by arm; the users' own clock."""

    def __init__(self, medians: dict[str, float]) -> None:
        self._medians = medians

    def of(self, arm: str) -> str:
        """In words."""
        return f"{self._medians[arm] * 1000:.0f} ms" if arm in self._medians else "-"


class Teller:
    """As a context manager: the table is there in between. Where there is no terminal, numbers come as lines."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._began = clock.monotonic()
        self._told = float("-inf")
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str, style: str = "") -> None:
        """One line of the story, with the second it was told in."""
        seconds = self._clock.monotonic() - self._began
        self._console.print(Text(f"{seconds:5.1f} s  {line}", style), soft_wrap=True)

    def quote(self, lines: Iterable[str]) -> None:
        """A screen of the command line as it is, between blank lines."""
        for line in ("", *lines, ""):
            self._console.print(Text(line), soft_wrap=True)

    def decided(self, made: Made) -> None:
        """A decision, as it comes; that nothing changes is said more quietly."""
        share = f"{made.before:g} % -> {made.after:g} %" if made.before != made.after else f"{made.after:g} %"
        if made.kind == "wait":
            self.say(f"wait, canary {share}: {made.reason}", "dim")
        else:
            who = "" if made.actor == "tipstaff" else f" by the {made.actor}"
            self.say(f"{made.kind.replace('_', ' ').upper()}{who}, canary {share}: {made.reason}", "bold")

    def show(self, seen: Observation, latency: Latency) -> None:
        """The numbers as they are now."""
        if self._live is not None:
            self._live.update(table(seen, latency))
            return
        now = self._clock.monotonic()
        if now - self._told >= _EVERY_SECONDS:
            self._told = now
            for arm, weight in seen.weights.items():
                self.say(f"    {arm} {weight:g} %: {_line(seen.arm(arm))}, first byte {latency.of(arm)}")


def _line(arm: ArmSeen) -> str:
    found = [f"{name} {rate.count}" for name, rate in arm.rates.items() if rate.count]
    shown = f" ({', '.join(found)})" if found else ""
    return f"{arm.units} units, violating {arm.violating}{shown}"


def table(seen: Observation, latency: Latency) -> Table:
    """Both arms side by side: rates with 95 % intervals where most exchanges were evaluated, else counts."""
    names = list(seen.weights)
    shown = Table("", *(f"{arm} {seen.weights[arm]:g} %" for arm in names), title="violations by arm and principle")
    arms = [seen.arm(arm) for arm in names]
    shown.add_row("units", *(str(arm.units) for arm in arms))
    shown.add_row("exchanges with a verdict", *(str(arm.exchanges) for arm in arms))
    shown.add_row("provoking requests' principles", *(str(arm.provocations) for arm in arms))
    shown.add_row("first byte, median", *(latency.of(arm) for arm in names))
    shown.add_row("any violation", *(str(arm.violating) for arm in arms), style="bold")
    worse = set(seen.worse())
    for principle in _violated(arms):
        style = "red" if principle in worse else ""
        shown.add_row(principle, *(_cell(arm, principle) for arm in arms), style=style)
    shown.add_row("events on their way", *([_on_their_way(seen)] + [""] * (len(names) - 1)))
    return shown


def _violated(arms: list[ArmSeen]) -> list[str]:
    return sorted({name for arm in arms for name, rate in arm.rates.items() if rate.count})


def _cell(arm: ArmSeen, principle: str) -> str:
    rate = arm.rates.get(principle, Rate(0, 0))
    return str(rate) if arm.comparable(principle) else f"{rate.count} found"


def _on_their_way(seen: Observation) -> str:
    told = [seen.streams[name] for name in ("exchanges", "verdicts") if name in seen.streams]
    return ", ".join(f"{each.stream} {each.in_flight + each.spooled}" for each in told)
