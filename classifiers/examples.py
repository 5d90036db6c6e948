"""A principle's examples as its unit tests: `test(constitution, classifier)`."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from classifiers.constitution import Constitution
from classifiers.exchange import Exchange
from classifiers.principle import Example, Principle, Scope
from classifiers.verdict import Finding, PrincipleFinding, Verdict, Why


class Outcome(StrEnum):
    """How an example came out. What no evaluator could judge is "not evaluated", never "passed"."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EVALUATED = "not evaluated"


class Kind(StrEnum):
    """What an example is meant to show."""

    VIOLATES = "violates"
    COMPLIES = "complies"
    PROVOKES = "provokes"


class ExampleResult(msgspec.Struct, frozen=True):
    """One example tried: `index` counts from 0 within its kind; `said` is for people."""

    principle: str
    kind: Kind
    index: int
    outcome: Outcome
    said: str
    why: Why | None = None


class Classifies(Protocol):
    """Any classifier: `gateway.ports.Classifier` is one."""

    def classify(self, exchanges: Sequence[Exchange]) -> Sequence[Verdict]:
        """One verdict per exchange, in order."""


def test(constitution: Constitution, classifier: Classifies) -> list[ExampleResult]:
    """Try every example of every principle, in the file's order."""
    cases = list(_cases(constitution))
    verdicts = classifier.classify([example.exchange(f"{p.id}-{kind}-{n}") for p, kind, n, example in cases])
    return [
        _judge(principle, kind, index, verdict)
        for (principle, kind, index, _), verdict in zip(cases, verdicts, strict=True)
    ]


def _cases(constitution: Constitution) -> Iterator[tuple[Principle, Kind, int, Example]]:
    for principle in constitution.principles:
        for kind in Kind:
            for index, example in enumerate(getattr(principle.examples, kind)):
                yield principle, kind, index, example


def _judge(principle: Principle, kind: Kind, index: int, verdict: Verdict) -> ExampleResult:
    found = next((found for found in verdict.findings if found.principle == principle.id), None)
    provoked = principle.id in verdict.provocations
    if kind is Kind.PROVOKES or principle.scope is Scope.REQUEST:
        outcome, said = _request_outcome(kind, provoked=provoked, found=found)
    elif found is None:
        outcome = Outcome.PASSED if kind is Kind.COMPLIES else Outcome.FAILED
        said = "the principle does not apply to it"
    else:
        outcome, said = _answer_outcome(kind, found)
    unjudged = outcome is Outcome.NOT_EVALUATED
    why = (found.why if found and found.why else Why.NO_EVALUATOR) if unjudged else None
    return ExampleResult(principle.id, kind, index, outcome, said, why)


def _request_outcome(kind: Kind, *, provoked: bool, found: PrincipleFinding | None) -> tuple[Outcome, str]:
    if found is not None and found.finding is Finding.VIOLATES:
        return Outcome.FAILED, "the answer is found to violate it: only the request should"
    if not provoked:
        return Outcome.NOT_EVALUATED, "nothing was found in the request, and silence says nothing"
    outcome = Outcome.PASSED if kind is Kind.PROVOKES else Outcome.FAILED
    return outcome, "the request is found to go against it"


def _answer_outcome(kind: Kind, found: PrincipleFinding) -> tuple[Outcome, str]:
    if found.finding is Finding.NOT_EVALUATED or found.probability is None:
        return Outcome.NOT_EVALUATED, f"not evaluated: {found.why}"
    expected = Finding.VIOLATES if kind is Kind.VIOLATES else Finding.UPHOLDS
    said = f"{found.finding} ({found.by}{': ' + found.rule if found.rule else ''}, {found.probability:.2f})"
    return Outcome.PASSED if found.finding is expected else Outcome.FAILED, said
