"""One result per exchange, whatever a classifier does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from classifiers.verdict import Finding, Why
from gateway.scoring.evaluation import Evaluated
from tests.unit.scoring.making import CONSTITUTION, Bench, WordClassifier, exchange


class Died(BaseException):
    """Stands for the end of the process: nothing catches it."""


def whys(results: list[Evaluated]) -> list[Why | None]:
    return [result.verdict.not_evaluated for result in results]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, WordClassifier())
    yield made
    made.close()


def test_results_come_in_order_with_text_and_timings(bench: Bench) -> None:
    fine, bad, unreadable = bench.evaluator.evaluate([exchange(1), exchange(2, "bad"), exchange(3, "unreadable")])
    assert [found.finding for found in (*fine.verdict.findings, *bad.verdict.findings)] == [
        Finding.UPHOLDS,
        Finding.VIOLATES,
    ]
    assert set(fine.verdict.seconds) == {"decode", "redact"}
    assert bad.text is not None
    assert bad.text.answers[0].text == "bad"
    assert (unreadable.text, unreadable.verdict.not_evaluated) == (None, Why.UNDECODABLE)
    assert (unreadable.verdict.findings, unreadable.verdict.constitution) == ((), CONSTITUTION)


def test_exchanges_are_classified_together(tmp_path: Path) -> None:
    classifier = WordClassifier()
    bench = Bench(tmp_path, classifier)
    bench.evaluator.evaluate([exchange(number) for number in range(40)])
    bench.close()
    assert classifier.calls == [16, 16, 8]


def test_one_that_makes_the_classifier_raise_fails_alone(bench: Bench) -> None:
    results = bench.evaluator.evaluate([exchange(1), exchange(2, "raise"), exchange(3, "bad")])
    assert whys(results) == [None, Why.FAILED, None]
    assert results[1].text is None


def test_a_classifier_that_gives_too_few_verdicts_fails(tmp_path: Path) -> None:
    classifier = WordClassifier()
    classifier.classify = lambda exchanges: []  # type: ignore[method-assign]
    bench = Bench(tmp_path, classifier)
    assert whys(bench.evaluator.evaluate([exchange(1), exchange(2)])) == [Why.FAILED, Why.FAILED]
    bench.close()


@pytest.mark.parametrize("why", [Why.CRASHED, Why.TIMED_OUT])
def test_one_that_kills_the_scorer_twice_is_passed_over(tmp_path: Path, why: Why) -> None:
    """A process's death is played by an exception that nothing may catch, with the mark left as it is."""

    def die(text: str) -> None:
        if text == "kill":
            here.mark.put_down = lambda: None  # type: ignore[method-assign]
            raise Died

    here: Bench

    exchanges = [exchange(1), exchange(2, "kill"), exchange(3, "bad")]
    for _ in range(2):
        classifier = WordClassifier(die)
        here = Bench(tmp_path, classifier, hung=why is Why.TIMED_OUT)
        with pytest.raises(Died):
            here.evaluator.evaluate(exchanges)
        here.close()
    here = Bench(tmp_path, WordClassifier(die), hung=why is Why.TIMED_OUT)
    assert whys(here.evaluator.evaluate(exchanges)) == [None, why, None]
    here.evaluator.settled(exchanges)
    assert here.mark.suspect(exchanges[1].id) is None
    here.close()


def test_one_that_was_only_in_bad_company_is_evaluated(tmp_path: Path) -> None:
    before = Bench(tmp_path, WordClassifier())
    before.mark.take([exchange(1).id, exchange(2).id])
    before.close()
    classifier = WordClassifier()
    bench = Bench(tmp_path, classifier)
    assert whys(bench.evaluator.evaluate([exchange(1), exchange(2, "bad"), exchange(3)])) == [None, None, None]
    assert classifier.calls == [1, 1, 1]
    bench.close()
