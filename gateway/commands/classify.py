"""`tipstaff classify`: what the classifiers find in texts, for a person or for a machine."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from classifiers.cascade import Cascade, Stage
from classifiers.constitution import Constitution
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.signal import Reading
from classifiers.verdict import Finding, Verdict

TOGETHER = 64
"""Lines that are read at once: texts of like length are batched."""


class Line(msgspec.Struct, frozen=True):
    """One input line. Either text may be null; a free text is a prompt."""

    id: str
    prompt: str | None = None
    response: str | None = None

    def exchange(self) -> Exchange:
        """It as an exchange."""
        turns = () if self.prompt is None else (Turn("user", self.prompt),)
        answers = () if self.response is None else (Answer(self.response),)
        return Exchange(self.id, turns, answers)


class LineError(ValueError):
    """An input line cannot be used; the text says which and why."""


_Seen = TypeVar("_Seen")


class Encoder(Protocol[_Seen]):
    """A stage that also tells what each of its heads said."""

    name: str
    version: str

    def look(self, exchanges: Sequence[Exchange]) -> list[_Seen]:
        """What it makes of each exchange."""

    def reading(self, exchange: Exchange, seen: _Seen) -> Reading:
        """What follows for the principles."""

    def heads(self, seen: _Seen) -> dict[str, float]:
        """Every head that had something to read."""


class Evaluators(msgspec.Struct, frozen=True):
    """What reads: a constitution, its rules, and an encoder or none."""

    constitution: Constitution
    rules: Stage
    encoder: Encoder[Any] | None


class Classified(msgspec.Struct, frozen=True):
    """A verdict, and what every head of the encoder said."""

    line: Line
    verdict: Verdict
    heads: dict[str, float]

    def plain(self) -> dict[str, Any]:
        """As the output lines are written; probabilities to five digits, null where nothing could be said."""
        verdict = self.verdict
        refusal = {True: "refuses", False: "answers", None: "not_evaluated"}[verdict.refusal]
        return {
            "id": self.line.id,
            "findings": {
                found.principle: {"probability": _rounded(found.probability), "finding": str(found.finding)}
                | ({"why": str(found.why)} if found.why else {})
                for found in verdict.findings
            },
            "provocations": list(verdict.provocations),
            "heads": {name: _rounded(value) for name, value in self.heads.items()},
            "refusal": {"probability": _rounded(verdict.refusal_probability), "finding": refusal},
            "versions": {"constitution": verdict.constitution, **verdict.evaluators},
        }


def lines(given: Iterable[str], source: str) -> Iterator[Line]:
    """Parsed; blank lines are passed over, an id that is missing is the line's number. Raises LineError.

    By json, which takes half a pair of surrogates for a character, as some models write it.
    """
    for number, text in enumerate(given, 1):
        if not text.strip():
            continue
        try:
            fields = json.loads(text)
            yield msgspec.convert({**fields, "id": str(fields.get("id", number))}, Line)
        except (ValueError, TypeError, AttributeError) as error:
            raise LineError(f"{source}, line {number}: {error}") from error


def classify(by: Evaluators, given: Iterable[Line]) -> Iterator[Classified]:
    """Each line's verdict, in order."""
    stage = None if by.encoder is None else _Remembering(by.encoder)
    cascade = Cascade(by.constitution, [by.rules] if stage is None else [by.rules, stage])
    for batch in _batches(given):
        if stage is not None:
            stage.heads = []
        verdicts = cascade.classify([line.exchange() for line in batch])
        heads: Sequence[dict[str, float]] = [{}] * len(batch) if stage is None else stage.heads
        yield from (Classified(*each) for each in zip(batch, verdicts, heads, strict=True))


class _Remembering(Generic[_Seen]):
    """The encoder as a stage, which keeps what its heads said."""

    def __init__(self, encoder: Encoder[_Seen]) -> None:
        self.name, self.version = encoder.name, encoder.version
        self._encoder = encoder
        self.heads: list[dict[str, float]] = []

    def read(self, exchanges: Sequence[Exchange]) -> list[Reading]:
        seen = self._encoder.look(exchanges)
        self.heads += [self._encoder.heads(each) for each in seen]
        return [self._encoder.reading(*pair) for pair in zip(exchanges, seen, strict=True)]


def table(found: Classified) -> list[str]:
    """For a person: what was found, then what could not be said."""
    verdict = found.verdict
    said = [f"{found.line.id}: {_summary(verdict)}"]
    shown = [each for each in verdict.findings if each.finding is Finding.VIOLATES]
    said += [f"  violates   {each.principle:<18} {each.probability:.3f}  by {each.by}" for each in shown]
    said += [f"  provokes   {name}" for name in verdict.provocations]
    strong = sorted(((value, name) for name, value in found.heads.items() if value >= 0.5), reverse=True)
    said += [f"  head       {name:<24} {value:.3f}" for value, name in strong]
    silent = [each.principle for each in verdict.findings if each.finding is Finding.NOT_EVALUATED]
    if silent:
        said.append(f"  not evaluated: {', '.join(silent)}")
    return said


def _summary(verdict: Verdict) -> str:
    if verdict.not_evaluated is not None:
        return f"no answer was read ({verdict.not_evaluated})"
    parts = [f"{len(verdict.violations)} violated"]
    parts += ["a refusal"] if verdict.refusal else []
    parts += ["an over-refusal"] if verdict.over_refusal else []
    return ", ".join(parts)


def _batches(given: Iterable[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in given:
        batch.append(line)
        if len(batch) == TOGETHER:
            yield batch
            batch = []
    if batch:
        yield batch


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
