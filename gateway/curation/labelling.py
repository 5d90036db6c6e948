"""Samples drawn and labels taken: people's words, checked against the exchanges that there are."""

from collections.abc import Sequence
from itertools import islice

from classifiers.constitution import Constitution
from gateway.controller.index import ExchangeIndex
from gateway.curation.label_file import Line
from gateway.curation.labels import Label, flagged
from gateway.curation.sampling import ANY, HARMLESSNESS, Frame, Stratum
from gateway.curation.store import Draw, LabelStore, draw_id
from gateway.events.schema import VerdictV1
from gateway.ports import Clock

_LOOKED_UP = 1000
_SHOWN = 20


class NotLabelled(ValueError):
    """What was handed in cannot be taken; the text says which of it and why."""


class Labelling:
    """Over one controller's files. Raises sqlite3.Error, QueryTooSlow, and NotLabelled."""

    def __init__(self, store: LabelStore, index: ExchangeIndex, constitution: Constitution, clock: Clock) -> None:
        self._store = store
        self._index = index
        self._harm = tuple(each.id for each in constitution.principles if each.tier.value == HARMLESSNESS)
        self._principles = (ANY, HARMLESSNESS, *(principle.id for principle in constitution.principles))
        self._clock = clock

    def sample(self, frame: Frame, size: int, seed: int, actor: str) -> tuple[Draw, list[str]]:
        """Draw, keep, and return the exchanges' ids in random order. The same again is the same sample."""
        self._check(frame.principle)
        populations, drawn = self._index.draw(frame, size, seed, self._behind(frame.principle))
        if not drawn:
            raise NotLabelled(
                f"no exchange of {frame.model!r} was evaluated in that time: give another since or until"
            )
        draw = Draw(draw_id(frame, size, seed, drawn), frame, size, seed, actor, self._clock.now_us())
        self._store.keep(draw, populations, drawn)
        return draw, [one.exchange_id for one in drawn]

    def add(self, model: str, actor: str, lines: Sequence[Line], place: str) -> int:
        """Take all labels or none; returns how many. `place` is what stands before a line's number in an error."""
        verdicts = self._verdicts(lines)
        problems = [
            f"{place}{line.number}: {wrong}"
            for line in lines
            if (wrong := self._problem(model, line, verdicts.get(line.said.exchange_id)))
        ]
        if problems:
            more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
            raise NotLabelled("; ".join(problems[:_SHOWN] + more))
        now_us = self._clock.now_us()
        self._store.add(self._label(model, actor, line, verdicts[line.said.exchange_id], now_us) for line in lines)
        return len(lines)

    def _behind(self, principle: str) -> tuple[str, ...]:
        """The principles that it stands for; empty: it is one itself, or ANY."""
        return self._harm if principle == HARMLESSNESS else ()

    def _label(self, model: str, actor: str, line: Line, verdict: VerdictV1, now_us: int) -> Label:
        principle = line.said.principle
        flag = flagged(verdict.verdict, principle, self._behind(principle))
        return Label(model, line.said, actor, now_us, verdict.time_us, Stratum(verdict.assignment.assigned, flag))

    def _verdicts(self, lines: Sequence[Line]) -> dict[str, VerdictV1]:
        wanted = iter(dict.fromkeys(line.said.exchange_id for line in lines))
        found: dict[str, VerdictV1] = {}
        while some := list(islice(wanted, _LOOKED_UP)):
            found |= self._index.verdicts(some)
        return found

    def _problem(self, model: str, line: Line, verdict: VerdictV1 | None) -> str:
        said = line.said
        if said.principle not in self._principles:
            return f"column principle: {said.principle!r} is none of {', '.join(self._principles)}"
        if verdict is None or verdict.model != model:
            return f"column exchange_id: {said.exchange_id} is no scored exchange of {model!r}"
        return ""

    def _check(self, principle: str) -> None:
        if principle not in self._principles:
            raise NotLabelled(f"principle: {principle!r} is none of {', '.join(self._principles)}")
