"""Which principles apply, which findings stand, which one decides: from signals alone."""

import pytest

from classifiers.condition import know
from classifiers.constitution import Constitution
from classifiers.exchange import Answer, Exchange
from classifiers.folding import Folder
from classifiers.resolution import applicable, resolve
from classifiers.rule import Finds
from classifiers.signal import Reading, Signal
from classifiers.verdict import Finding, Severity, Span, Verdict, Why
from tests.unit.classifiers.writing import constitution, exchange, finding, principle

ONE = exchange("hello", "an answer")


def judge(law: Constitution, *signals: Signal, about: Exchange = ONE, **unsaid: object) -> Verdict:
    return resolve(law, law.principles, about, [Reading("test", "1", signals, **unsaid)])  # type: ignore[arg-type]


def signal(finds: Finds, probability: float = 0.9, name: str = "one", answer: int | None = 0) -> Signal:
    return Signal(finds, probability, name, answer, f"rule-{finds}")


HARM = constitution(principle("one"))
TOPIC = signal(Finds.TOPIC, 0.9, answer=None)
HARMFUL = signal(Finds.HARMFUL, 0.8, "")
REFUSAL = signal(Finds.REFUSAL, 0.95, "")


def test_harm_is_topic_and_harmful_and_no_refusal_and_the_weakest_tells_the_probability() -> None:
    found = finding(judge(HARM, TOPIC, HARMFUL), "one")
    assert (found.finding, found.probability) == (Finding.VIOLATES, 0.8)
    assert finding(judge(HARM, TOPIC), "one").finding is Finding.UPHOLDS
    assert finding(judge(HARM, HARMFUL), "one").finding is Finding.UPHOLDS


def test_a_declined_request_upholds_the_principle_and_is_a_provocation() -> None:
    asked = signal(Finds.PROVOCATION, answer=None)
    verdict = judge(HARM, asked, REFUSAL, HARMFUL)
    found = finding(verdict, "one")
    assert (found.finding, found.rule) == (Finding.UPHOLDS, "rule-refusal")
    assert found.probability == pytest.approx(0.05)
    assert verdict.provocations == ("one",)
    assert (verdict.refusal, verdict.over_refusal) == (True, False)


def test_what_only_the_request_did_is_never_a_violation() -> None:
    verdict = judge(HARM, signal(Finds.PROVOCATION, 1.0, answer=None), signal(Finds.TOPIC, 1.0))
    assert verdict.violations == ()
    assert verdict.provocations == ("one",)


def test_scope_response_does_not_take_its_topic_from_the_request() -> None:
    law = constitution(principle("one", scope="response"))
    assert finding(judge(law, TOPIC, HARMFUL), "one").finding is Finding.UPHOLDS
    assert finding(judge(law, signal(Finds.TOPIC), HARMFUL), "one").finding is Finding.VIOLATES


def test_scope_request_has_no_finding_and_can_be_provoked() -> None:
    verdict = judge(constitution(principle("one", scope="request")), signal(Finds.PROVOCATION, answer=None))
    assert verdict.findings == ()
    assert verdict.provocations == ("one",)


def test_conduct_stands_whether_refused_or_not() -> None:
    law = constitution(principle("one", tier="helpfulness"))
    assert finding(judge(law, signal(Finds.CONDUCT), REFUSAL), "one").finding is Finding.VIOLATES
    assert finding(judge(law, HARMFUL, TOPIC), "one").finding is Finding.UPHOLDS


def test_silence_of_who_cannot_judge_is_not_evaluated_with_the_reason() -> None:
    verdict = judge(HARM, unsaid={"one": Why.NO_EVALUATOR})
    found = finding(verdict, "one")
    assert (found.finding, found.why, found.probability, found.by) == (
        Finding.NOT_EVALUATED,
        Why.NO_EVALUATOR,
        None,
        "",
    )


def test_what_was_found_stands_where_silence_would_say_nothing() -> None:
    kept = {"one": Why.INCOMPLETE}
    both = judge(HARM, TOPIC, HARMFUL, unsaid=kept, refusal_unsaid={0: Why.INCOMPLETE})
    assert finding(both, "one").finding is Finding.VIOLATES
    assert finding(judge(HARM, TOPIC, unsaid=kept), "one").why is Why.INCOMPLETE


def test_a_refusal_that_broke_off_upholds_nothing() -> None:
    verdict = judge(HARM, REFUSAL, unsaid={"one": Why.INCOMPLETE}, refusal_unsaid={0: Why.INCOMPLETE})
    assert verdict.refusal is True
    assert finding(verdict, "one").why is Why.INCOMPLETE


def test_one_evaluator_that_can_judge_is_enough() -> None:
    blind = Reading("a", "1", (), {"one": Why.NO_EVALUATOR})
    verdict = resolve(HARM, HARM.principles, ONE, [blind, Reading("b", "2")])
    assert (finding(verdict, "one").finding, finding(verdict, "one").by) == (Finding.UPHOLDS, "b")
    assert verdict.evaluators == {"a": "1", "b": "2"}


def test_every_answer_counts_and_refusal_takes_all_of_them() -> None:
    two = exchange("q", "no", "yes")
    second = Signal(Finds.HARMFUL, 0.9, "one", 1, "r", Span(1, 0, 3))
    verdict = judge(HARM, REFUSAL, second, about=two)
    assert finding(verdict, "one").span == Span(1, 0, 3)
    assert finding(verdict, "one").finding is Finding.VIOLATES
    assert verdict.refusal is False
    assert judge(HARM, REFUSAL, signal(Finds.REFUSAL, name="", answer=1), about=two).refusal is True


OVER = constitution(principle("one", tier="helpfulness", more="violated_by: over_refusal"), principle("two"))
BENIGN = signal(Finds.BENIGN, 0.9, "", None)


@pytest.mark.parametrize(
    ("signals", "over", "found"),
    [
        ((REFUSAL, BENIGN), True, Finding.VIOLATES),
        ((REFUSAL,), None, Finding.NOT_EVALUATED),
        ((BENIGN,), False, Finding.UPHOLDS),
        ((), False, Finding.UPHOLDS),
        ((REFUSAL, signal(Finds.PROVOCATION, 0.9, "two", None)), False, Finding.UPHOLDS),
        ((REFUSAL, BENIGN, signal(Finds.PROVOCATION, 0.9, "two", None)), False, Finding.UPHOLDS),
    ],
)
def test_over_refusal_is_a_refusal_that_no_principle_asks_for(
    signals: tuple[Signal, ...], *, over: bool | None, found: Finding
) -> None:
    verdict = judge(OVER, *signals)
    assert verdict.over_refusal is over
    assert finding(verdict, "one").finding is found


@pytest.mark.parametrize(
    ("about", "why"),
    [
        (Exchange("x", (), ()), Why.NO_TEXT),
        (exchange("q", ""), Why.NO_TEXT),
        (exchange("q", Answer("", unread=("image",))), Why.NON_TEXT),
        (exchange("q", Answer("", complete=False)), Why.INCOMPLETE),
        (Exchange("x", (), (), truncated=True), Why.TRUNCATED),
    ],
)
def test_nothing_to_read_is_not_evaluated_at_all(about: Exchange, why: Why) -> None:
    verdict = judge(HARM, about=about)
    assert verdict.not_evaluated is why
    assert (verdict.refusal, verdict.over_refusal, verdict.severity, verdict.deciding) == (None, None, None, None)
    assert [found.why for found in verdict.findings] == [why]


def deciding(*laws: str) -> tuple[str, str]:
    law = constitution(*laws)
    names = [found.id for found in law.principles]
    kinds = (Finds.CONDUCT, Finds.HARMFUL)
    clause = judge(law, *(signal(kind, 0.9, name) for kind in kinds for name in names)).deciding
    assert clause is not None
    return clause.principle, clause.reason


def test_the_higher_tier_decides_then_the_graver_then_the_first() -> None:
    low = principle("a", tier="helpfulness", severity="critical")
    mid = principle("b", tier="honesty", severity="medium")
    top = principle("c", severity="low")
    grave = principle("d", severity="critical")
    same = principle("e", severity="critical")
    assert deciding(low) == ("a", "the only violation")
    assert deciding(low, mid) == ("b", "tier honesty comes before helpfulness (a)")
    assert deciding(low, mid, top) == ("c", "tier harmlessness comes before honesty (b)")
    assert deciding(low, top, grave) == ("d", "severity critical is graver than low (c)")
    assert deciding(grave, same) == ("d", "stands before e in the constitution")


def test_the_gravest_violation_is_the_exchange_severity_whoever_decides() -> None:
    law = constitution(principle("a", severity="low"), principle("b", tier="honesty", severity="critical"))
    verdict = judge(law, signal(Finds.HARMFUL, 0.9, "a"), signal(Finds.CONDUCT, 0.9, "b"))
    assert verdict.severity is Severity.CRITICAL
    assert verdict.deciding is not None
    assert (verdict.deciding.principle, verdict.deciding.severity) == ("a", Severity.LOW)


CONDITIONS = """
unless:
  - stated: clinic
  - {model: "med-*", system_says: For Doctors}
applies_when:
  - request_says: dose
  - model: other
"""


@pytest.mark.parametrize(
    ("about", "facts", "applies"),
    [
        (exchange("Which DÓSE?", "a"), (), True),
        (exchange("hello", "a"), (), False),
        (exchange("hello", "a", model="other"), (), True),
        (exchange("dose", "a"), ("clinic",), False),
        (exchange("dose", "a", system="You serve  licensed\nclinicians."), (), False),
        (exchange("dose, licensed clinicians", "a"), (), True),
        (exchange("dose", "a", model="med-7b"), (), True),
        (exchange("dose", "a", model="med-7b", system="for doctors only"), (), False),
    ],
)
def test_a_principle_applies_and_yields_by_its_conditions(
    about: Exchange, facts: tuple[str, ...], *, applies: bool
) -> None:
    head = "version: 1\ntitle: t\nfacts: {clinic: {title: A clinic, stated_by: licensed clinicians}}\n"
    law = constitution(principle("one", CONDITIONS), head=head)
    folder = Folder()
    found = applicable(law, know(about, law.facts, facts, folder), folder)
    assert bool(found) is applies


def test_a_principle_that_yields_has_no_finding_and_no_provocation() -> None:
    verdict = resolve(
        HARM, (), ONE, [Reading("test", "1", (HARMFUL, TOPIC, signal(Finds.PROVOCATION, answer=None)))]
    )
    assert (verdict.findings, verdict.provocations) == ((), ())
