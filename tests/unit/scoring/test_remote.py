"""Scorers elsewhere, and a scorer here that has them read: each exchange gets one verdict, in its place."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from classifiers.verdict import Finding, Why
from gateway.events.schema import ExchangeV1
from gateway.scoring.remote import SILENT_SECONDS, Found, RemoteEvaluator, Unanswered
from tests.support.manual_clock import ManualClock
from tests.unit.scoring.making import CONSTITUTION, Bench, FakePost, exchange


class House:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.post = FakePost()
        self.trouble_file = folder / "trouble" / "scorer-0"
        self.bench = Bench(folder, found := Found(CONSTITUTION))
        self.evaluator = RemoteEvaluator(
            self.post, found, self.bench.evaluator, trouble=self.trouble_file, clock=self.clock
        )

    def trouble(self, exchanges: Sequence[ExchangeV1]) -> str:
        with pytest.raises(Unanswered):
            self.evaluator.evaluate(exchanges)
        return self.trouble_file.read_text()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.bench.close()


def test_findings_come_in_any_order_and_any_number_of_times(house: House) -> None:
    given = [exchange(number, text) for number, text in enumerate(("fine", "bad", "unreadable"))]
    with pytest.raises(Unanswered):
        house.evaluator.evaluate(given)
    house.post.answer(given[2], given[1], given[1])
    with pytest.raises(Unanswered):
        house.evaluator.evaluate(given)
    house.post.answer(given[0], given[2])
    results = house.evaluator.evaluate(given)
    found = [[each.finding for each in result.verdict.findings] for result in results]
    assert found == [[Finding.UPHOLDS], [Finding.VIOLATES], []]
    assert [result.text and result.text.exchange_id for result in results] == [given[0].id, given[1].id, None]
    assert house.post.asked == given  # each once


def test_what_is_settled_is_asked_anew_and_a_late_word_on_it_means_nothing(house: House) -> None:
    one = exchange(1)
    with pytest.raises(Unanswered):
        house.evaluator.evaluate([one])
    house.post.answer(one)
    house.evaluator.evaluate([one])
    house.evaluator.settled([one])
    house.post.answer(one)
    two = exchange(2)
    assert house.post.begun == 1
    with pytest.raises(Unanswered):
        house.evaluator.evaluate([two])
    assert house.post.begun == 2  # what was said before it is skipped
    assert house.trouble([one, two]) == ""
    assert house.post.asked == [one, two, one]


def test_who_gives_no_answer_is_asked_again_ever_more_seldom(house: House) -> None:
    one = exchange(1)
    asked: list[int] = []
    for second in range(2200):
        with pytest.raises(Unanswered):
            house.evaluator.evaluate([one])
        if len(house.post.asked) > len(asked):
            asked.append(second)
        house.clock.advance(1)
    assert asked == [0, 20, 60, 140, 300, 620, 1220, 1820]


def test_while_others_are_answered_nobody_is_asked_again(house: House) -> None:
    given = [exchange(number) for number in range(200)]
    for answered in range(199):
        with pytest.raises(Unanswered):
            house.evaluator.evaluate(given)
        house.post.answer(given[answered])
        house.clock.advance(1)
    assert house.post.asked == given
    for _ in range(21):
        with pytest.raises(Unanswered):
            house.evaluator.evaluate(given)
        house.clock.advance(1)
    assert house.post.asked == [*given, given[-1]]


def test_what_fails_here_costs_its_text_only_and_what_failed_there_is_not_tried_here(house: House) -> None:
    given = [exchange(1, "bad"), exchange(2, "unreadable"), exchange(3)]
    with pytest.raises(Unanswered):
        house.evaluator.evaluate(given)
    house.post.answer(*given)
    house.bench.breaks = True
    results = house.evaluator.evaluate(given)
    assert [result.verdict.not_evaluated for result in results] == [Why.FAILED, Why.UNDECODABLE, Why.FAILED]


def test_a_trouble_that_cannot_be_written_down_stops_nothing(house: House) -> None:
    house.trouble_file.parent.write_text("no folder")
    one = exchange(1)
    with pytest.raises(Unanswered):
        house.evaluator.evaluate([one])
    house.post.answer(one)
    assert len(house.evaluator.evaluate([one])) == 1


def test_after_brokers_were_away_all_is_asked_again(house: House) -> None:
    given = [exchange(1), exchange(2)]
    with pytest.raises(Unanswered):
        house.evaluator.evaluate(given)
    house.post.answer(given[0])
    with pytest.raises(Unanswered):
        house.evaluator.evaluate(given)
    house.post.away = "no broker"
    assert house.trouble(given) == "no broker"
    assert house.post.closed == 1
    house.post.away = ""
    house.clock.advance(1)
    with pytest.raises(Unanswered):
        house.evaluator.evaluate(given)
    assert house.post.asked == [*given, given[1]]  # what has come is kept


def test_what_kafka_never_takes_is_not_evaluated(house: House) -> None:
    one = exchange(1)
    house.post.refuses = {one.id}
    (result,) = house.evaluator.evaluate([one])
    assert (result.verdict.not_evaluated, result.text is not None) == (Why.TOO_LONG, False)


def test_that_nobody_answers_is_said_and_taken_back(house: House) -> None:
    one, two = exchange(1), exchange(2)
    house.clock.advance(100)
    assert house.trouble([one]) == ""  # nobody was asked before
    house.clock.advance(SILENT_SECONDS + 1)
    assert "no scorer has answered for 10 s or longer" in house.trouble([one])
    house.post.answer(one)
    assert house.trouble([one, two]) == ""


def test_scorers_with_another_constitution_are_named_and_their_word_counts_as_theirs(house: House) -> None:
    one, two = exchange(1, "unreadable"), exchange(2)
    with pytest.raises(Unanswered):
        house.evaluator.evaluate([one, two])
    house.post.answer(one, by="another")
    assert "scorers read by the constitution another" in house.trouble([one, two])
    house.post.answer(two)
    results = house.evaluator.evaluate([one, two])
    assert [result.verdict.constitution for result in results] == ["another", CONSTITUTION]
