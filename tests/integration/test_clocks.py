"""What is kept, on a clock that the test moves: planted words and a planted hash, and a search of every file."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from classifiers.constitution import default
from gateway.app.classifier import classifier_for
from gateway.app.common import CONSUMERS
from gateway.controller.index import ExchangeIndex
from gateway.controller.verdicts import VerdictReader
from gateway.core.ids import exchange_id
from gateway.curation.labels import Label, Said
from gateway.curation.sampling import Stratum
from gateway.curation.store import LabelStore, labelled
from gateway.datafolder import prepare
from gateway.events import ledger
from gateway.events.policy import policies
from gateway.events.schema import ExchangeV1
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.scoring.decode import decode
from gateway.scoring.evaluation import Evaluator
from gateway.scoring.horizon import Horizon
from gateway.scoring.longer import LongerTexts
from gateway.scoring.mark import Mark
from gateway.scoring.sampling import Sample
from gateway.scoring.scorer import Scorer
from gateway.scoring.texts import LONGER, KeptTexts
from gateway.scoring.watchdog import Watchdog
from gateway.settings import Retention, Scoring
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.events import exchange
from tests.support.manual_clock import ManualClock

DAY = 86_400
KEPT = Retention()
USER, KEY, MAIL, CARD = (
    "ada-planted-7f3a",
    "sk-proj-4f9Zq1LmX7sT2vB8nC6dE0rY",
    "ada@planted.example",
    "4111 1111 1111 1111",
)
WORDS = "the heron sleeps in Zwolle"
HASH = bytes(range(100, 116))


class House:
    """A proxy's log, a scorer with the rules, and the controller's files, as `serve` puts them together."""

    def __init__(self, root: Path) -> None:
        self.data = DataFolder(root / "data")
        prepare(self.data)
        self.clock = ManualClock()
        self.proxy = self._log("proxy-0")
        self.controller = self._log("controller")
        self.labels = LabelStore.open(self.data.labels, self.clock)
        self.index = ExchangeIndex.open(self.data.index, self.clock)
        self.file = CounterFile.open(self.data.counter_file("scorer-0"))
        meters = Meters(self.file)
        self.reader = VerdictReader(self.controller, self.index, meters)
        longer = LongerTexts(
            self.data.texts / "scorer-0" / LONGER,
            self.clock,
            usual_days=KEPT.days,
            days=KEPT.flagged_days,
            max_bytes=KEPT.flagged_bytes,
            sample=0,
            labelled=partial(labelled, self.data.labels),
        )
        self.texts = KeptTexts(self.data.texts, "scorer-0", self.clock, KEPT.days, KEPT.bytes, longer=longer)
        self.scoring = self._log("scorer-0")
        statuses = self.data.statuses
        statuses.mkdir()
        self.mark, self.watchdog = Mark(statuses / "m", hung=False), Watchdog(statuses / "h", 60)
        self.scorer = Scorer(
            self.scoring,
            Evaluator(
                classifier_for(default(), Scoring(encoder="none")),
                decode,
                mark=self.mark,
                watchdog=self.watchdog,
                clock=self.clock,
            ),
            self.texts,
            meters=meters,
            clock=self.clock,
            sample=Sample(1.0),
            horizon=Horizon(frozenset({"proxy-0"})),
        )

    def _log(self, producer: str) -> SqliteEventLog:
        policy = policies(KEPT.numbers_days)
        return SqliteEventLog(self.data.log, producer, self.clock, consumers=CONSUMERS, policy=policy)

    def record(self, number: int, answer: str, said: str) -> ExchangeV1:
        request = {"model": "m", "user": USER, "messages": [{"role": "user", "content": said}]}
        response = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": answer}}]}
        made = exchange(number, msgspec.json.encode(response), msgspec.json.encode(request))
        assignment = msgspec.structs.replace(made.assignment, unit_hash=HASH)
        identifier = exchange_id(self.clock.now_us(), number.to_bytes(8, "big") + bytes(2))
        made = msgspec.structs.replace(made, id=identifier, assignment=assignment)
        self.proxy.append("exchanges", [made])
        return made

    def after(self, seconds: float) -> None:
        """Time passes, and everybody does what is due; twice, since one waits for what another has done."""
        self.clock.advance(seconds)
        for _ in range(3):
            self.proxy.tick("exchanges")
            self.scorer.step()
            self.reader.step()
            self.controller.tick("audit")
            before_us = self.clock.now_us() - round(KEPT.numbers_days * DAY * 1e6)
            self.index.purge(before_us)
            self.labels.purge(before_us)
            self.clock.advance(61)
        assert self.index.scrub()
        assert self.labels.scrub()

    def holds(self, *planted: str | bytes) -> set[str | bytes]:
        """What of it stands in some file; in packed texts, too."""
        files = [path.read_bytes() for path in self.data.root.rglob("*") if path.is_file()]
        return {
            each
            for each in planted
            if any((each if isinstance(each, bytes) else each.encode()) in content for content in files)
        }

    def text(self, made: ExchangeV1) -> str | None:
        found = self.texts.get(made.id)
        return None if found is None else msgspec.json.encode(found).decode()

    def close(self) -> None:
        for each in (self.proxy, self.controller, self.scoring, self.labels, self.index, self.texts):
            each.close()
        self.mark.close()
        self.watchdog.close()
        self.file.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def test_everything_goes_when_its_clock_has_run_out(house: House) -> None:
    said = f"{WORDS}. My key is {KEY}, my mail {MAIL}, my card {CARD}."
    plain = house.record(0, "How nice.", said)
    spoken_of = house.record(1, "How nice, too.", said)
    assert house.holds(USER, WORDS, KEY, HASH) == {USER, WORDS, KEY, HASH}

    house.after(301)  # raw records: a segment's age after they were scored
    assert house.holds(USER, WORDS, KEY, MAIL, CARD) == set()
    assert house.holds(HASH) == {HASH}
    kept = house.text(plain)
    assert kept is not None
    assert WORDS in kept
    assert not any(each in kept for each in (USER, KEY, MAIL, CARD))
    verdict = house.index.verdict(spoken_of.id)
    assert verdict is not None
    note = Said(spoken_of.id, violates=True, principle="any", note="a note of carol's")
    house.labels.add(
        [Label("assistant", note, "carol", house.clock.now_us(), verdict.time_us, Stratum("canary", flagged=False))]
    )

    house.after(KEPT.days * DAY + 3600)
    assert house.text(plain) is None
    assert house.text(spoken_of) is not None
    assert house.index.verdict(plain.id) is not None

    house.after((KEPT.flagged_days - KEPT.days) * DAY + 86_400)
    assert house.text(spoken_of) is None
    assert [path for path in house.data.texts.rglob("*") if path.is_file()] == []
    assert house.holds("a note of carol's")

    house.record(2, "Something else.", "on another day")
    house.after((KEPT.numbers_days - KEPT.flagged_days) * DAY + 2 * DAY)
    assert house.index.verdict(plain.id) is None
    assert house.index.verdict(spoken_of.id) is None
    assert house.holds("a note of carol's") == set()
    house.after(KEPT.numbers_days * DAY + 2 * DAY)
    assert house.holds(HASH, HASH.hex()) == set()
    found = ledger.read(house.data.log, house.data.counters, CONSUMERS)["verdicts"]
    assert found.appended == 3
