"""Scorers of their own over a real broker: whatever becomes of them, each exchange gets a verdict in its place."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from os import urandom
from pathlib import Path

import msgspec
import pytest

from gateway.clock import SystemClock
from gateway.core.ids import exchange_id
from gateway.events.kafka_group import KafkaPost
from gateway.events.kafka_options import KafkaOptions
from gateway.events.schema import ExchangeV1, VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.scoring.decode import decode
from gateway.scoring.evaluation import Evaluator
from gateway.scoring.horizon import Horizon
from gateway.scoring.mark import Mark
from gateway.scoring.remote import Found, RemoteEvaluator
from gateway.scoring.sampling import Sample
from gateway.scoring.scorer import Scorer
from gateway.scoring.texts import KeptTexts
from gateway.scoring.watchdog import Watchdog
from gateway.settings import Kafka
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.events import exchange as sample
from tests.support.kafka import KafkaBroker
from tests.support.scorers import Scorers

pytestmark = pytest.mark.timeout(300)
ANSWER = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"It is wide."},"finish_reason":"stop"}]}'
NEVER_TAKEN = bytes(3 << 20)


class Gateway:
    """A proxy's log and the scorer that has it read elsewhere; `given` are the exchanges that it recorded."""

    def __init__(self, name: str, folder: Path, kafka: Kafka, stack: ExitStack) -> None:
        clock = SystemClock()
        self.given: list[ExchangeV1] = []
        self._clock = clock
        self._proxy = stack.enter_context(closing(SqliteEventLog(folder / "log", "proxy-0", clock)))
        self._log = stack.enter_context(closing(SqliteEventLog(folder / "log", "scorer-0", clock)))
        self._post = stack.enter_context(closing(KafkaPost(KafkaOptions(kafka), name, clock)))
        texts = stack.enter_context(closing(KeptTexts(folder / "texts", "scorer-0", clock, 7, 1 << 24)))
        meters = Meters(CounterFile.open(folder / "scorer.bin"))
        stack.callback(meters.file.close)
        found = Found("c")
        watchdog = Watchdog(folder / "scorer-0.hung", 60)
        mark = Mark(folder / "scorer-0.mark", hung=False)
        stack.callback(watchdog.close)
        stack.callback(mark.close)
        here = Evaluator(found, decode, mark=mark, watchdog=watchdog, clock=clock)
        remote = RemoteEvaluator(self._post, found, here, trouble=folder / "trouble" / "scorer-0", clock=clock)
        self.scorer = Scorer(
            self._log,
            remote,
            texts,
            meters=meters,
            clock=clock,
            sample=Sample(1.0),
            horizon=Horizon(frozenset({"proxy-0"})),
        )

    def record(self, count: int, response: bytes = ANSWER) -> None:
        """So many exchanges, each of another unit."""
        fresh = []
        for number in range(len(self.given), len(self.given) + count):
            made = sample(number, response=response)
            assignment = msgspec.structs.replace(made.assignment, unit_hash=number.to_bytes(16, "big"))
            identifier = exchange_id(self._clock.now_us(), urandom(10))
            fresh.append(msgspec.structs.replace(made, id=identifier, assignment=assignment))
        self._proxy.append("exchanges", fresh)
        self.given += fresh

    def verdicts(self) -> list[VerdictV1]:
        found: list[VerdictV1] = []
        positions: dict[str, int] = {}
        while (batch := self._log.read("verdicts", positions, 1000)).entries:
            positions = dict(batch.positions)
            found += [each.event for each in batch.entries if isinstance(each.event, VerdictV1)]
        return found


@pytest.fixture
def kafka(kafka_broker: KafkaBroker, request: pytest.FixtureRequest) -> Kafka:
    return Kafka(bootstrap=(kafka_broker.bootstrap,), prefix=f"{request.node.name[:40]}.", partitions=4)


@pytest.fixture
def gateways(kafka: Kafka, tmp_path: Path) -> Iterator[list[Gateway]]:
    with ExitStack() as stack:
        yield [Gateway(name, tmp_path / name, kafka, stack) for name in ("north", "south")]


@pytest.fixture
def scorers(kafka: Kafka, tmp_path: Path) -> Iterator[Scorers]:
    with Scorers(tmp_path / "scorers", kafka.model_dump(mode="json", include={"bootstrap", "prefix"})) as found:
        yield found


def work(gateways: list[Gateway], until: int) -> None:
    """Under load: exchanges are recorded for as long as fewer than `until` of each have a verdict."""
    while any(len(each.verdicts()) < until for each in gateways):
        for each in gateways:
            if len(each.given) - len(each.verdicts()) < 200:
                each.record(20)
            each.scorer.step()


def finish(gateways: list[Gateway]) -> None:
    while any(len(each.verdicts()) < len(each.given) for each in gateways):
        for each in gateways:
            each.scorer.step()


def test_a_group_grows_and_shrinks_and_nothing_is_lost_or_counted_twice(
    gateways: list[Gateway], scorers: Scorers
) -> None:
    scorers.start(1)
    work(gateways, 200)
    scorers.start(3)
    scorers.ready()
    work(gateways, 600)
    assert scorers.stop() == 0
    scorers.kill()
    work(gateways, 1000)
    finish(gateways)
    for each in gateways:
        found = each.verdicts()
        assert [made.exchange_id for made in found] == [given.id for given in each.given]
        assert {made.verdict.not_evaluated for made in found} == {None}


def test_what_is_too_large_for_kafka_is_not_evaluated_and_holds_up_nothing(
    gateways: list[Gateway], scorers: Scorers
) -> None:
    scorers.start(1)
    north = gateways[0]
    north.record(3)
    north.record(1, NEVER_TAKEN)
    north.record(3)
    finish([north])
    assert [made.verdict.not_evaluated for made in north.verdicts()] == [*[None] * 3, "too_long", *[None] * 3]
