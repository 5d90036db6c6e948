"""`tipstaff classify`: what the classifiers find in texts, for a person or for a machine."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from classifiers.cascade import Cascade, Stage
from classifiers.constitution import Constitution
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.signal import Reading
from classifiers.verdict import Finding, Verdict

if TYPE_CHECKING:
    from gateway.app.classifier import EncoderReader


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


class Evaluators(msgspec.Struct, frozen=True):
    """What reads: a constitution, its rules, and an encoder or none."""

    constitution: Constitution
    rules: Stage
    encoder: "EncoderReader | None"


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


def lines(given: Iterable[bytes], source: str) -> Iterator[Line]:
    """Parsed; blank lines are passed over, an id that is missing is the line's number. Raises LineError.

    By json, which takes half a pair of surrogates for a character, as some models write it.
    """
    for number, raw in enumerate(given, 1):
        if not raw.strip():
            continue
        try:
            fields = json.loads(raw.decode("utf-8-sig"))
            if isinstance(fields, dict) and {"prompt", "response"} & set(fields):
                identifier = fields.get("id")
                yield msgspec.convert({**fields, "id": str(number if identifier is None else identifier)}, Line)
                continue
        except (ValueError, TypeError) as error:
            raise LineError(f"{source}, line {number}: {error}") from error
        raise LineError(f'{source}, line {number}: expected an object with "prompt", "response" or both')


def classify(by: Evaluators, given: Iterable[Line]) -> Iterator[Classified]:
    """Each line's verdict, in order, as it comes."""
    stage = None if by.encoder is None else _Remembering(by.encoder)
    cascade = Cascade(by.constitution, [by.rules] if stage is None else [by.rules, stage])
    for line in given:
        (verdict,) = cascade.classify([line.exchange()])
        yield Classified(line, verdict, {} if stage is None else stage.heads)


class _Remembering:
    """The encoder as a stage, which keeps what its heads said last."""

    def __init__(self, encoder: "EncoderReader") -> None:
        self.name, self.version = encoder.name, encoder.version
        self._encoder = encoder
        self.heads: dict[str, float] = {}

    def read(self, exchanges: Sequence[Exchange]) -> list[Reading]:
        (exchange,) = exchanges
        (seen,) = self._encoder.look(exchanges)
        self.heads = self._encoder.heads(seen)
        return [self._encoder.reading(exchange, seen)]


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


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
