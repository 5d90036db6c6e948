"""What happened between two moments, from the event log and from those who were there: no metric is looked at."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway.clock import SystemClock
from gateway.events.schema import STREAMS, DecisionV1, Event, ExchangeV1, Stream, VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.ports import Positions
from gateway.scoring.texts import KeptTexts

Everything = dict[Stream, list[Event]]


class Others(msgspec.Struct, frozen=True):
    """What no event tells: those who were there say how often it happened between the two moments.

    `rejected`: by code; `refused`: sign-ins by reason; `killed`: by process; `told`: posts that the receiver got;
    `spans`: that the collector got; `spans_refused`: that it did not take; `connections`: open at the busy moment,
    one with a request; `waiting`: without a verdict then; `alive`: processes.
    """

    rejected: dict[str, int]
    refused: dict[str, int]
    killed: dict[str, int]
    told: int
    spans: int
    spans_refused: int
    waiting: int
    connections: int
    alive: frozenset[str]


class Account(msgspec.Struct, frozen=True):
    """`events`: of the time between the moments; `before`: all until the first. `seconds`: from one to the other.
    `end`: the second one, Unix time. `texts`: how many redacted texts were kept between them.
    """

    seconds: float
    end: float
    before: Everything
    events: Everything
    texts: int
    others: Others

    @property
    def exchanges(self) -> list[ExchangeV1]:
        """Between the moments."""
        return [event for event in self.events["exchanges"] if isinstance(event, ExchangeV1)]

    @property
    def verdicts(self) -> list[VerdictV1]:
        """Between the moments."""
        return [event for event in self.events["verdicts"] if isinstance(event, VerdictV1)]

    @property
    def decisions(self) -> list[DecisionV1]:
        """All that there are."""
        both = (*self.before["decisions"], *self.events["decisions"])
        return [event for event in both if isinstance(event, DecisionV1)]

    @property
    def all_verdicts(self) -> list[VerdictV1]:
        """All that there are."""
        both = (*self.before["verdicts"], *self.events["verdicts"])
        return [event for event in both if isinstance(event, VerdictV1)]


class Books:
    """Reads the event log of a data folder."""

    def __init__(self, folder: Path) -> None:
        self._data = DataFolder(folder)
        self._log = SqliteEventLog(self._data.log, None, SystemClock())

    def read(self, after: Mapping[Stream, Positions]) -> tuple[Everything, dict[Stream, Positions]]:
        """What follows `after` in every stream, and where it ends."""
        events: Everything = {}
        ends: dict[Stream, Positions] = {}
        for stream in STREAMS:
            events[stream], ends[stream] = [], after.get(stream, {})
            while (batch := self._log.read(stream, ends[stream], 1000)).entries:
                events[stream] += [entry.event for entry in batch.entries]
                ends[stream] = batch.positions
        return events, ends

    def texts_of(self, events: Everything) -> int:
        """How many of these exchanges have their redacted text."""
        texts = KeptTexts(self._data.texts, None, SystemClock(), 1, 1)
        found = [texts.get(event.id) for event in events["exchanges"]]
        return len([text for text in found if text is not None])

    def close(self) -> None:
        """Let go of its files."""
        self._log.close()
