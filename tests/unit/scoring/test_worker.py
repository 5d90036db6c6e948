"""A scorer that works for others: what it has not said it reads again, and what is no exchange it passes over."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from classifiers.verdict import Finding
from gateway.events.cloudevents import message
from gateway.events.gather import Read
from gateway.events.schema import Event, ScoreV1
from gateway.ports import BrokersAway, Entry
from gateway.scoring.worker import Worker
from tests.support.events import audit
from tests.support.manual_clock import ManualClock
from tests.unit.scoring.making import Bench, WordClassifier, exchange


class FakeGroup:
    """One partition; `at` is what is committed."""

    def __init__(self) -> None:
        self.records: list[Read] = []
        self.at = self._polled = 0

    def put(self, gateway: str, event: Event) -> None:
        made = message(Entry("scorer-0", len(self.records), 1, event), gateway)
        self.records.append(Read("exchanges", 0, len(self.records), dict(made.headers), made.payload))

    def poll(self, seconds: float) -> list[Read]:
        found = self.records[self._polled :]
        self._polled = len(self.records)
        return found

    def commit(self) -> None:
        self.at = self._polled

    def close(self) -> None:
        self._polled = self.at


class FakeSink:
    def __init__(self) -> None:
        self.scores: list[ScoreV1] = []
        self.away = self.refuses_findings = False

    def deliver(self, entries: Sequence[Entry]) -> dict[int, str]:
        if self.away:
            raise BrokersAway("test", "no broker")
        scores = [each.event for each in entries if isinstance(each.event, ScoreV1)]
        large = {number for number, each in enumerate(scores) if self.refuses_findings and each.verdict.findings}
        self.scores += [each for number, each in enumerate(scores) if number not in large]
        return dict.fromkeys(large, "too large")

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(Bench(tmp_path, WordClassifier())) as found:
        yield found


def test_each_gateway_hears_what_was_found_in_its_exchanges(bench: Bench) -> None:
    group, sink = FakeGroup(), FakeSink()
    worker = Worker(group, sink, bench.evaluator, ManualClock())
    north, south = exchange(1, "bad"), exchange(2)
    group.put("north", north)
    group.put("south", south)
    assert worker.step() == 2
    assert [(each.gateway, each.exchange_id) for each in sink.scores] == [("north", north.id), ("south", south.id)]
    assert [each.verdict.findings[0].finding for each in sink.scores] == [Finding.VIOLATES, Finding.UPHOLDS]
    assert group.at == 2
    assert worker.step() == 0


def test_what_it_could_not_say_it_reads_again(bench: Bench) -> None:
    group, sink = FakeGroup(), FakeSink()
    worker = Worker(group, sink, bench.evaluator, ManualClock())
    group.put("north", exchange(1))
    sink.away = True
    with pytest.raises(BrokersAway):
        worker.step()
    assert group.at == 0
    sink.away = False
    group.put("north", exchange(2))
    assert worker.step() == 2
    assert [each.exchange_id for each in sink.scores] == [exchange(1).id, exchange(2).id]


def test_what_is_no_exchange_is_passed_over(bench: Bench) -> None:
    group, sink = FakeGroup(), FakeSink()
    worker = Worker(group, sink, bench.evaluator, ManualClock())
    group.put("north", audit(1))
    group.records.append(Read("exchanges", 0, 1, {"ce_source": b"/tipstaff/north"}, b"{"))
    group.put("north", exchange(3, "raise"))
    assert worker.step() == 3
    assert [each.verdict.not_evaluated for each in sink.scores] == ["failed"]
    assert worker.step() == 0


def test_whoever_waits_has_an_answer_also_where_nothing_can_be_read_or_said(bench: Bench) -> None:
    group, sink = FakeGroup(), FakeSink()
    worker = Worker(group, sink, bench.evaluator, ManualClock())
    group.put("north", exchange(1))
    newer = group.records[0]
    group.records = [Read("exchanges", 0, 0, newer.headers, newer.payload.replace(b"exchange.v1", b"exchange.v2"))]
    group.put("south", exchange(2))
    sink.refuses_findings = True
    assert worker.step() == 2
    answers = {each.exchange_id: (each.gateway, each.verdict.not_evaluated) for each in sink.scores}
    assert answers == {exchange(1).id: ("north", "failed"), exchange(2).id: ("south", "too_long")}
    assert group.at == 2
