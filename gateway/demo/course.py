"""Whether the rollout took the right course: a healthy canary stays, one that turned bad goes."""

from collections.abc import Sequence

import msgspec

from gateway.demo.observation import Made

TAKEN = frozenset({"roll_back", "stop", "suspend"})
"""Decisions that take the canary away from users."""


class Course(msgspec.Struct, frozen=True):
    """`turned_us`: when the canary turned bad. `deadline`: seconds from the rollout's start."""

    decisions: Sequence[Made]
    turned_us: int
    deadline: float

    def first(self, *kinds: str) -> Made | None:
        """The first decision of one of these kinds."""
        return next((made for made in self.decisions if made.kind in kinds), None)

    def problems(self) -> list[str]:
        """What went wrong, a line for each."""
        taken, back = self.first(*TAKEN), self.first("roll_back")
        if taken is not None and taken.time_us < self.turned_us:
            early = (self.turned_us - taken.time_us) / 1e6
            return [f"the healthy canary lost its users {early:.1f} s before it turned bad: {taken.reason}"]
        if back is None:
            return [f"the bad canary was not rolled back within {self.deadline:g} s"]
        return []

    def told(self) -> list[str]:
        """How it went, seen from the turn."""
        alarm, back = self.first("freeze"), self.first("roll_back")
        lines = []
        if alarm is not None and alarm.time_us < self.turned_us:
            lines.append(
                "a false alarm: the canary was frozen while it was healthy; that takes nobody's canary away"
            )
        if back is not None and back.time_us >= self.turned_us:
            lines.append(f"after the turn: {self._alarmed(alarm)}rolled back in {self._since(back):.1f} s")
        return lines

    def _alarmed(self, alarm: Made | None) -> str:
        if alarm is None:
            return "before the fast alarm, "
        if alarm.time_us < self.turned_us:
            return ""
        return f"frozen in {self._since(alarm):.1f} s, "

    def _since(self, made: Made) -> float:
        return (made.time_us - self.turned_us) / 1e6
