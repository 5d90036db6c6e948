"""Stages one after another, within their time."""

from collections.abc import Sequence
from itertools import count

from classifiers.cascade import Cascade
from classifiers.exchange import Exchange
from classifiers.rule import Finds
from classifiers.signal import Reading, Signal
from classifiers.verdict import Finding, Why
from tests.unit.classifiers.writing import constitution, exchange, principle

LAW = constitution(principle("one", scope="response", violated_by="conduct"))
MANY = [exchange("q", "a") for _ in range(40)]


class Stage:
    """Finds nothing, or says what it was made to say."""

    version = "1"

    def __init__(self, name: str, *signals: Signal) -> None:
        self.name = name
        self.signals = signals
        self.seen = 0

    def read(self, exchanges: Sequence[Exchange]) -> list[Reading]:
        self.seen += len(exchanges)
        return [Reading(self.name, self.version, self.signals) for _ in exchanges]


def test_what_any_stage_found_stands() -> None:
    said = Signal(Finds.CONDUCT, 0.9, "one", 0)
    verdict = Cascade(LAW, [Stage("rules"), Stage("encoder", said)]).classify(MANY[:1])[0]
    assert verdict.findings[0].finding is Finding.VIOLATES
    assert verdict.findings[0].by == "encoder"
    assert verdict.evaluators == {"encoder": "1", "rules": "1"}
    assert set(verdict.seconds) == {"encoder", "rules"}


def test_a_stage_that_is_out_of_time_leaves_the_rest_not_evaluated() -> None:
    ticks = count(step=8.0)
    stage = Stage("encoder")
    verdicts = Cascade(LAW, [stage], budget=0.3, seconds=lambda: next(ticks)).classify(MANY)
    found = [verdict.findings[0] for verdict in verdicts]
    assert stage.seen == 32
    assert [each.finding for each in found] == [Finding.UPHOLDS] * 32 + [Finding.NOT_EVALUATED] * 8
    assert {each.why for each in found[32:]} == {Why.TIMED_OUT}
    assert {verdict.refusal for verdict in verdicts[32:]} == {None}


def test_one_stage_in_time_upholds_what_another_had_no_time_for() -> None:
    ticks = iter((0.0, 1.0, 2.0, 3.0, *range(100, 2000, 100)))
    quick, slow = Stage("rules"), Stage("encoder")
    verdicts = Cascade(LAW, [quick, slow], budget=0.1, seconds=lambda: next(ticks)).classify(MANY)
    assert (quick.seen, slow.seen) == (40, 16)
    assert {verdict.findings[0].finding for verdict in verdicts} == {Finding.UPHOLDS}


def test_nothing_to_read() -> None:
    assert Cascade(LAW, [Stage("rules")]).classify([]) == []
