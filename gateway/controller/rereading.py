"""Kept texts read again: what another constitution would find in exchanges that were answered already.

Texts are kept redacted and may be cut, so that what the scorer found in the whole text need not be found in what is
left of it. Both constitutions therefore read the kept text, and what was found then has no part in the comparison.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

import msgspec

from classifiers.constitution import Constitution
from classifiers.verdict import Finding, Verdict
from gateway.controller.exchange_query import ExchangeFilter, ExchangeRow
from gateway.controller.one_at_a_time import OneAtATime
from gateway.ports import Classifier, Clock
from gateway.scoring.texts import KeptText
from gateway.settings import ConfigError

MOST = 2000
"""Exchanges that can be read at once."""
_TOGETHER = 16
"""Exchanges that are read between two looks at the clock."""
SHOWN = 20
"""Exchanges that are named for a principle, and each way."""

Find = Callable[[ExchangeFilter, int], Sequence[ExchangeRow]]
"""The newest exchanges first, at most so many."""
Progress = Callable[[int, int], object]
"""Hears how many of how many exchanges are done."""


class Unfit(Exception):
    """The constitution cannot be read by with the classifiers that are configured; the text says why."""


class Again(msgspec.Struct, frozen=True):
    """What is read: the newest `limit` exchanges of a model since then that were evaluated and whose arm nobody
    forced.
    """

    model: str
    limit: int
    since_us: int | None = None


class ArmRead(msgspec.Struct, frozen=True):
    """Exchanges of an arm, and those in which anything was violated."""

    arm: str
    exchanges: int
    violating_before: int
    violating_after: int


class PrincipleRead(msgspec.Struct, frozen=True):
    """Exchanges that violate a principle, and those in which nobody can say; `newly`, `no_longer`: some ids of
    exchanges that violate it only after or only before, the newest first.
    """

    principle: str
    title: str
    before: int
    after: int
    not_evaluated_before: int
    not_evaluated_after: int
    newly: tuple[str, ...]
    no_longer: tuple[str, ...]


class Reread(msgspec.Struct, frozen=True):
    """`before`, `after`: the hashes. `looked_at`: exchanges that were read; `without_text`: others whose text is
    not kept, or not any more. `stopped`: the time was over before all were read, so these are the newest ones.
    """

    before: str
    after: str
    looked_at: int
    without_text: int
    seconds: float
    stopped: bool
    arms: tuple[ArmRead, ...]
    principles: tuple[PrincipleRead, ...]


class Rereading:
    """Reads again by the constitution in force and by another one. Its method may be called from any thread.

    `seconds`: after so many it stops; `ending`: or as soon as this says so.
    """

    def __init__(
        self,
        find: Find,
        text: Callable[[str], KeptText | None],
        constitution: Constitution,
        classifiers: Callable[[Constitution], Classifier],
        clock: Clock,
        *,
        seconds: float = float("inf"),
        ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._find = find
        self._text = text
        self._constitution = constitution
        self._classifiers = classifiers
        self._clock = clock
        self._seconds = seconds
        self._ending = ending
        self._one = OneAtATime("texts are being read again for somebody else: ask again in a minute")

    def read(self, wanted: Again, other: Constitution, progress: Progress = lambda _done, _all: None) -> Reread:
        """What `other` finds beside the one in force. Raises Busy, Unfit, ConfigError, QueryTooSlow."""
        with self._one.turn():
            return self._read(wanted, other, progress)

    def _read(self, wanted: Again, other: Constitution, progress: Progress) -> Reread:
        began = self._clock.monotonic()
        pair = self._pair(other)
        rows = self._find(_filter(wanted), wanted.limit)
        counted = _Counted()
        stopped = False
        for done in range(0, len(rows), _TOGETHER):
            stopped = self._ending() or self._clock.monotonic() - began > self._seconds
            if stopped:
                break
            progress(done, len(rows))
            self._count(rows[done : done + _TOGETHER], pair, counted)
        return Reread(
            before=self._constitution.hash,
            after=other.hash,
            looked_at=counted.looked_at,
            without_text=counted.without_text,
            seconds=self._clock.monotonic() - began,
            stopped=stopped,
            arms=counted.arms(),
            principles=tuple(counted.principles(self._constitution, other)),
        )

    def _pair(self, other: Constitution) -> tuple[Classifier, Classifier]:
        """Before and after. Where the first can be made, it is the constitution's fault that the second cannot."""
        before = self._classifiers(self._constitution)
        try:
            return before, self._classifiers(other)
        except ConfigError as error:
            raise Unfit("; ".join(error.problems)) from error

    def _count(self, rows: Sequence[ExchangeRow], pair: tuple[Classifier, Classifier], counted: "_Counted") -> None:
        found = [(row, self._text(row.id)) for row in rows]
        kept = [(row, text.exchange()) for row, text in found if text is not None]
        counted.without_text += len(rows) - len(kept)
        before, after = (classifier.classify([exchange for _, exchange in kept]) for classifier in pair)
        for (row, _), was, now in zip(kept, before, after, strict=True):
            counted.take(row, was, now)


def _filter(wanted: Again) -> ExchangeFilter:
    return ExchangeFilter(model=wanted.model, evaluated=True, forced=False, since_us=wanted.since_us)


class _Counted:
    """The sums, as they grow."""

    def __init__(self) -> None:
        self.looked_at = self.without_text = 0
        self._arms: Counter[str] = Counter()
        self._violating: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._found: tuple[Counter[tuple[str, Finding]], Counter[tuple[str, Finding]]] = (Counter(), Counter())
        self._only: tuple[defaultdict[str, list[str]], defaultdict[str, list[str]]] = (
            defaultdict(list),
            defaultdict(list),
        )

    def take(self, row: ExchangeRow, was: Verdict, now: Verdict) -> None:
        """One exchange's two verdicts."""
        self.looked_at += 1
        self._arms[row.arm] += 1
        for side, verdict in enumerate((was, now)):
            self._violating[side][row.arm] += bool(verdict.violations)
            self._found[side].update((each.principle, each.finding) for each in verdict.findings)
        violated = [{each.principle for each in verdict.violations} for verdict in (was, now)]
        for side in (0, 1):
            for principle in violated[side] - violated[1 - side]:
                self._only[side][principle].append(row.id)

    def arms(self) -> tuple[ArmRead, ...]:
        """By name."""
        before, after = self._violating
        return tuple(ArmRead(arm, self._arms[arm], before[arm], after[arm]) for arm in sorted(self._arms))

    def principles(self, before: Constitution, after: Constitution) -> Iterator[PrincipleRead]:
        """Every one of both, in the order of `after`; those that only `before` has follow."""
        titles = {each.id: each.title for each in after.principles}
        titles |= {each.id: each.title for each in before.principles if each.id not in titles}
        was, now = self._found
        for name, title in titles.items():
            yield PrincipleRead(
                principle=name,
                title=title,
                before=was[name, Finding.VIOLATES],
                after=now[name, Finding.VIOLATES],
                not_evaluated_before=was[name, Finding.NOT_EVALUATED],
                not_evaluated_after=now[name, Finding.NOT_EVALUATED],
                newly=tuple(self._only[1][name][:SHOWN]),
                no_longer=tuple(self._only[0][name][:SHOWN]),
            )
