"""What the scoring tests are made of."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from classifiers.exchange import Answer, Exchange, Turn
from classifiers.verdict import Finding, PrincipleFinding, Verdict, Why
from gateway.core.ids import exchange_id
from gateway.events.schema import ExchangeV1, ScoreV1
from gateway.ports import BrokersAway, Classifier
from gateway.scoring.decode import Readable
from gateway.scoring.evaluation import Evaluator
from gateway.scoring.mark import Mark
from gateway.scoring.texts import KeptText
from gateway.scoring.watchdog import Watchdog
from tests.support.events import exchange as sample
from tests.support.manual_clock import ManualClock

NOW_US = 1_760_000_000_000_000
CONSTITUTION = "c" * 64


def identifier(number: int, time_us: int = NOW_US) -> str:
    """An id as the proxy makes it."""
    return exchange_id(time_us, number.to_bytes(8, "big") + bytes(2))


def exchange(number: int, text: str = "fine", unit: bytes = bytes(16)) -> ExchangeV1:
    """An exchange whose answer is `text`."""
    made = sample(number, response=text.encode())
    assignment = msgspec.structs.replace(made.assignment, unit_hash=unit)
    return msgspec.structs.replace(made, id=identifier(number), assignment=assignment)


def plain(made: ExchangeV1) -> Readable | Why:
    """Decodes what `exchange` made."""
    text = (made.response.kept or b"").decode()
    if text == "unreadable":
        return Why.UNDECODABLE
    return Readable(Exchange(made.id, (Turn("user", "hello"),), (Answer(text),), made.model), {})


def kept(number: int, text: str = "fine", time_us: int = NOW_US) -> KeptText:
    return KeptText(identifier(number, time_us), "assistant", (Turn("user", "hello"),), (Answer(text),))


class WordClassifier:
    """Violates where the answer says "bad"; raises where it says "raise"; calls `on_text` first."""

    constitution = CONSTITUTION

    def __init__(self, on_text: Callable[[str], object] = lambda _: None) -> None:
        self.calls: list[int] = []
        self._on_text = on_text

    def classify(self, exchanges: Sequence[Exchange]) -> Sequence[Verdict]:
        self.calls.append(len(exchanges))
        return [self._verdict(each) for each in exchanges]

    def _verdict(self, each: Exchange) -> Verdict:
        text = each.answers[0].text
        self._on_text(text)
        if text == "raise":
            raise RuntimeError("a classifier's own fault")
        finding = Finding.VIOLATES if text == "bad" else Finding.UPHOLDS
        found = PrincipleFinding("manners", finding, float(finding is Finding.VIOLATES), by="words")
        refusal = text == "no"
        return Verdict((found,), CONSTITUTION, {"words": "1"}, refusal=refusal, over_refusal=refusal)


class Bench:
    """An evaluator over files in `folder`, as one process has it; make another one for the next process."""

    def __init__(self, folder: Path, classifier: Classifier, *, hung: bool = False) -> None:
        self.breaks = False
        """Whether decoding raises from now on."""
        self.watchdog = Watchdog(folder / "scorer-0.hung", 60)
        self.mark = Mark(folder / "scorer-0.mark", hung=hung)
        self.evaluator = Evaluator(
            classifier, self._decode, mark=self.mark, watchdog=self.watchdog, clock=ManualClock(NOW_US)
        )

    def _decode(self, made: ExchangeV1) -> Readable | Why:
        if self.breaks:
            raise RuntimeError("a decoder's own fault")
        return plain(made)

    def close(self) -> None:
        self.mark.close()
        self.watchdog.close()


class FakePost:
    """Scorers in memory: what is asked waits in `asked` until `answer`."""

    def __init__(self) -> None:
        self.asked: list[ExchangeV1] = []
        self.back: list[ScoreV1] = []
        self.answered: list[ExchangeV1] = []
        self.refuses: set[str] = set()
        self.away = ""
        self.begun = self.closed = 0
        self._classifier = WordClassifier()

    def begin(self) -> None:
        self._check()
        self.begun += 1
        self.back.clear()

    def send(self, exchanges: Sequence[ExchangeV1]) -> dict[str, str]:
        self._check()
        self.asked += exchanges
        return {each.id: "too large" for each in exchanges if each.id in self.refuses}

    def receive(self, seconds: float) -> list[ScoreV1]:
        self._check()
        found, self.back = self.back, []
        return found

    def answer(self, *which: ExchangeV1, by: str = CONSTITUTION) -> None:
        self.answered += which
        for each in which:
            found = plain(each)
            verdict = (
                Verdict((), by, {}, not_evaluated=found)
                if isinstance(found, Why)
                else self._classifier.classify([found.exchange])[0]
            )
            self.back.append(ScoreV1(f"{each.id}score", each.id, "north", verdict))

    def close(self) -> None:
        self.closed += 1

    def _check(self) -> None:
        if self.away:
            raise BrokersAway("test", self.away)
