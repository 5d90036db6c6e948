"""The loop over a log in memory: one verdict per exchange, in order, counted once."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from classifiers.verdict import Why
from gateway.events.schema import Event, Stream, VerdictV1
from gateway.ports import LogFull, Positions
from gateway.scoring.evaluation import Evaluator
from gateway.scoring.horizon import Horizon
from gateway.scoring.remote import Found, RemoteEvaluator
from gateway.scoring.sampling import Sample
from gateway.scoring.scorer import Scorer
from gateway.scoring.texts import KeptTexts
from gateway.telemetry import counterfile
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.manual_clock import ManualClock
from tests.support.memory_log import MemoryEventLog, MemoryStore
from tests.unit.scoring.making import (
    CONSTITUTION,
    NOW_US,
    Bench,
    FakePost,
    WordClassifier,
    exchange,
    identifier,
)


class FullableLog(MemoryEventLog):
    """Refuses verdicts while `full`."""

    full = False

    def append(
        self,
        stream: Stream,
        events: Sequence[Event],
        consumed: Mapping[Stream, Positions] | None = None,
        forwarded: int = 0,
    ) -> tuple[int, ...]:
        if self.full:
            raise LogFull("no room")
        return super().append(stream, events, consumed, forwarded)


class House:
    """One scorer process over what outlives it: a log, a counter file, texts, a mark."""

    def __init__(self, folder: Path, store: MemoryStore, share: float = 1.0) -> None:
        self.clock = ManualClock(NOW_US)
        self.log = FullableLog(store, "scorer-0", self.clock)
        self.bench = Bench(folder, WordClassifier())
        self.texts = KeptTexts(folder / "texts", "scorer-0", self.clock, days=7, max_bytes=1 << 24)
        self.file = CounterFile.open(folder / "scorer-0.bin")
        self._share = share
        self.scorer = self.made(self.bench.evaluator)

    def made(self, evaluator: Evaluator | RemoteEvaluator) -> Scorer:
        return Scorer(
            self.log,
            evaluator,
            self.texts,
            meters=Meters(self.file),
            clock=self.clock,
            sample=Sample(self._share),
            horizon=Horizon(frozenset({"proxy-0"})),
        )

    def verdicts(self) -> list[VerdictV1]:
        entries = self.log.read("verdicts", {}, 10_000).entries
        return [entry.event for entry in entries if isinstance(entry.event, VerdictV1)]

    def drain(self) -> None:
        while self.scorer.step():
            pass

    def close(self) -> None:
        self.bench.close()
        self.texts.close()
        self.file.close()


def numbers(folder: Path) -> dict[str, float]:
    """Counters and gauges as name{label values}."""
    read = counterfile.read(folder / "scorer-0.bin")
    return {
        f"{series.name}{{{','.join(value for _, value in series.labels)}}}": values[0]
        for series, values in read
        if series.kind != "histogram"
    }


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def proxy(store: MemoryStore) -> MemoryEventLog:
    return MemoryEventLog(store, "proxy-0", ManualClock(NOW_US))


def test_each_exchange_gets_one_verdict_with_what_statistics_need(
    tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog
) -> None:
    exchanges = [exchange(number, "bad" if number % 3 == 0 else "fine") for number in range(150)]
    times = proxy.append("exchanges", exchanges)
    house = House(tmp_path, store)
    house.drain()
    found = house.verdicts()
    assert [verdict.exchange_id for verdict in found] == [each.id for each in exchanges]
    assert [verdict.time_us for verdict in found] == list(times)
    assert [verdict.sequence for verdict in found] == list(range(150))
    assert found[0].id == f"{exchanges[0].id}verdict"
    assert found[0].producer == "proxy-0"
    assert found[0].assignment == exchanges[0].assignment
    assert found[0].request_bytes == exchanges[0].request.size
    assert house.log.consumed("exchanges") == {"proxy-0": 150}
    house.close()


def test_what_is_read_elsewhere_gets_its_verdicts_in_order_and_nothing_is_known_ahead_of_them(
    tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog
) -> None:
    house, post = House(tmp_path, store), FakePost()
    trouble = tmp_path / "trouble" / "scorer-0"
    found = Found(CONSTITUTION)
    bench = Bench(tmp_path / "remote", found)
    house.scorer = house.made(RemoteEvaluator(post, found, bench.evaluator, trouble=trouble, clock=house.clock))
    given = [exchange(number) for number in range(300)]
    first_us, *_ = proxy.append("exchanges", given[:10])
    assert house.scorer.step() == 0
    later = proxy.append("exchanges", given[10:])
    post.answer(*reversed(given[1:10]))
    house.clock.advance(1)
    assert house.scorer.step() == 0
    assert house.verdicts() == []
    assert house.log.read("verdicts", {}, 10).forwarded.get("scorer-0", 0) < first_us
    assert post.asked == given[:10]  # what came meanwhile waits its turn
    post.answer(given[0])
    assert house.scorer.step() == 10
    while len(house.verdicts()) < 300:
        house.scorer.step()
        post.answer(*(each for each in post.asked if each not in post.answered))
    assert [verdict.exchange_id for verdict in house.verdicts()] == [each.id for each in given]
    assert post.asked == given
    house.clock.advance(1)
    house.scorer.step()
    assert house.log.read("verdicts", {}, 1000).forwarded["scorer-0"] >= later[-1]
    house.close()
    bench.close()


def test_what_cannot_be_written_is_not_known_either_while_others_wait_for_scorers(
    tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog
) -> None:
    house, post, found = House(tmp_path, store), FakePost(), Found(CONSTITUTION)
    bench = Bench(tmp_path / "remote", found)
    trouble = tmp_path / "trouble" / "scorer-0"
    house.scorer = house.made(RemoteEvaluator(post, found, bench.evaluator, trouble=trouble, clock=house.clock))
    first_us, *_ = proxy.append("exchanges", [exchange(1)])
    house.scorer.step()
    post.answer(exchange(1))
    house.log.full = True
    with pytest.raises(LogFull):
        house.scorer.step()
    proxy.append("exchanges", [exchange(2)])
    for _ in range(3):
        house.clock.advance(1)
        with pytest.raises(LogFull):
            house.scorer.step()
        assert house.log.read("verdicts", {}, 10).forwarded.get("scorer-0", 0) < first_us
    house.log.full = False
    assert house.scorer.step() == 1
    house.close()
    bench.close()


def test_the_numbers_say_what_the_verdicts_say(tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog) -> None:
    texts = ("fine", "bad", "no", "raise", "unreadable")
    proxy.append("exchanges", [exchange(number, text) for number, text in enumerate(texts)])
    house = House(tmp_path, store)
    house.drain()
    house.close()
    counted = numbers(tmp_path)
    assert counted["tipstaff_exchanges_scored_total{assistant,stable}"] == 5
    assert counted["tipstaff_violations_total{assistant,stable,manners,low}"] == 1
    assert counted["tipstaff_refusals_total{assistant,stable,over_refusal}"] == 1
    assert counted["tipstaff_not_evaluated_total{assistant,stable,failed}"] == 1
    assert counted["tipstaff_not_evaluated_total{assistant,stable,undecodable}"] == 1
    for stream, count in (("verdicts", 5), ("texts", 3)):
        assert counted[f"tipstaff_events_started_total{{{stream}}}"] == count
        assert counted[f"tipstaff_events_produced_total{{{stream}}}"] == count


def test_text_is_kept_for_what_was_read(tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog) -> None:
    proxy.append("exchanges", [exchange(1, "call 555-123-4567"), exchange(2, "unreadable")])
    house = House(tmp_path, store)
    house.drain()
    kept = house.texts.get(identifier(1))
    assert kept is not None
    assert kept.answers[0].text == "call [phone]"
    assert house.texts.get(identifier(2)) is None
    house.close()


def test_a_new_process_goes_on_where_the_last_one_stopped(
    tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog
) -> None:
    proxy.append("exchanges", [exchange(number) for number in range(100)])
    first = House(tmp_path, store)
    assert first.scorer.step() == 64
    first.close()
    second = House(tmp_path, store)
    second.drain()
    assert [verdict.sequence for verdict in second.verdicts()] == list(range(100))
    second.close()
    assert numbers(tmp_path)["tipstaff_exchanges_scored_total{assistant,stable}"] == 100


def test_verdicts_that_a_killed_process_committed_are_counted_by_the_next(
    tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog
) -> None:
    proxy.append("exchanges", [exchange(1), exchange(2, "bad")])
    first = House(tmp_path, store)
    first.scorer._tally.count = lambda verdict: None  # type: ignore[method-assign] # killed before it counted
    first.drain()
    first.close()
    assert numbers(tmp_path)["tipstaff_events_produced_total{verdicts}"] == 0
    second = House(tmp_path, store)
    stop = threading.Event()
    stop.set()
    second.scorer.run(stop)
    second.close()
    counted = numbers(tmp_path)
    assert counted["tipstaff_exchanges_scored_total{assistant,stable}"] == 2
    assert counted["tipstaff_violations_total{assistant,stable,manners,low}"] == 1
    assert counted["tipstaff_events_produced_total{verdicts}"] == 2


def test_verdicts_of_a_log_that_is_gone_are_told_as_lost(tmp_path: Path, proxy: MemoryEventLog) -> None:
    first = House(tmp_path, proxy._store)
    proxy.append("exchanges", [exchange(1), exchange(2)])
    first.drain()
    first.close()
    second = House(tmp_path, MemoryStore())
    second.scorer._tally.catch_up(second.log)
    second.close()
    counted = numbers(tmp_path)
    assert counted["tipstaff_events_produced_total{verdicts}"] == 0
    assert counted["tipstaff_events_dropped_total{verdicts,log_lost}"] == 2
    assert counted["tipstaff_events_started_total{verdicts}"] == 2


def test_a_full_log_loses_nothing(tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog) -> None:
    proxy.append("exchanges", [exchange(1), exchange(2)])
    house = House(tmp_path, store)
    house.log.full = True
    with pytest.raises(LogFull):
        house.scorer.step()
    assert house.texts.get(identifier(1)) is not None, "the text is kept before its verdict is appended"
    house.log.full = False
    house.drain()
    assert len(house.verdicts()) == 2
    house.close()
    assert numbers(tmp_path)["tipstaff_exchanges_scored_total{assistant,stable}"] == 2


def test_text_that_cannot_be_kept_is_counted_and_costs_no_verdict(
    tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog
) -> None:
    (tmp_path / "texts").write_text("a file where a folder should be")
    proxy.append("exchanges", [exchange(1)])
    house = House(tmp_path, store)
    house.drain()
    assert len(house.verdicts()) == 1
    house.close()
    assert numbers(tmp_path)["tipstaff_events_dropped_total{texts,unwritable}"] == 1


def test_sampling_goes_by_unit_and_says_so(tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog) -> None:
    units = [bytes([number]) * 16 for number in range(200)]
    proxy.append("exchanges", [exchange(number, unit=unit) for number, unit in enumerate((*units, *units))])
    house = House(tmp_path, store, share=0.25)
    house.drain()
    found = house.verdicts()
    house.close()
    drawn = [verdict.verdict.not_evaluated is not Why.UNSAMPLED for verdict in found]
    assert drawn[:200] == drawn[200:]
    assert 30 <= sum(drawn[:200]) <= 70
    assert {verdict.sampled for verdict in found} == {0.25}
    unsampled = numbers(tmp_path)["tipstaff_not_evaluated_total{assistant,stable,unsampled}"]
    assert unsampled == 400 - sum(drawn)


def test_the_lag_is_the_age_of_the_oldest_exchange_without_a_verdict(
    tmp_path: Path, store: MemoryStore, proxy: MemoryEventLog
) -> None:
    proxy.append("exchanges", [exchange(number) for number in range(65)])
    house = House(tmp_path, store)
    house.clock.advance(5)
    house.scorer.step()
    assert numbers(tmp_path)["tipstaff_scorer_lag_seconds{}"] == pytest.approx(5, abs=0.01)
    house.drain()
    assert numbers(tmp_path)["tipstaff_scorer_lag_seconds{}"] == 0
    house.close()


def test_it_forwards_how_far_exchanges_are_scored(tmp_path: Path, store: MemoryStore) -> None:
    house = House(tmp_path, store)
    proxy = MemoryEventLog(store, "proxy-0", house.clock)
    (time_us,) = proxy.append("exchanges", [exchange(1)])
    house.clock.advance(1)
    proxy.tick("exchanges")
    assert time_us < house.clock.now_us()
    house.scorer.step()
    assert house.log.read("verdicts", {}, 10).forwarded == {"scorer-0": house.clock.now_us()}
    house.close()


def test_it_ticks_at_most_four_times_a_second(tmp_path: Path, store: MemoryStore) -> None:
    house = House(tmp_path, store)
    ticks: list[str] = []
    house.log.tick = lambda stream, _forwarded=0: ticks.append(stream)  # type: ignore[assignment]
    for _ in range(10):
        house.scorer.step()
        house.clock.advance(0.1)
    assert ticks == ["verdicts"] * 4
    house.close()
