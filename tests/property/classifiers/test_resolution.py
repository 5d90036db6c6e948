"""What holds of resolution whatever the evaluators say."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from classifiers.constitution import Constitution
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.principle import Scope, Tier, ViolatedBy
from classifiers.resolution import resolve
from classifiers.rule import Finds
from classifiers.signal import Reading, Signal
from classifiers.verdict import Finding, Severity, Verdict, Why
from tests.unit.classifiers.writing import constitution, principle

NAMES = ("a", "b", "c", "d", "e")
BY_PRINCIPLE = (Finds.TOPIC, Finds.PROVOCATION, Finds.HARMFUL, Finds.CONDUCT)
probabilities = st.floats(0, 1)


BASE = constitution(*(principle(name) for name in NAMES))


def some_law(seed: int) -> Constitution:
    pick = Random(seed)
    return replace(
        BASE,
        principles=tuple(
            replace(
                found,
                violated_by=pick.choice(list(ViolatedBy)),
                tier=pick.choice(list(Tier)),
                severity=pick.choice(list(Severity)),
                scope=pick.choice((Scope.RESPONSE, Scope.EXCHANGE)),
            )
            for found in BASE.principles
        ),
    )


LAW = st.sampled_from([some_law(seed) for seed in range(60)])
principle_signals = st.builds(
    Signal,
    st.sampled_from(BY_PRINCIPLE),
    probabilities,
    st.sampled_from(NAMES),
    st.sampled_from((None, 0, 1)),
    st.just("r"),
)
whole_signals = st.builds(
    Signal,
    st.sampled_from((Finds.REFUSAL, Finds.BENIGN, Finds.HARMFUL)),
    probabilities,
    st.just(""),
    st.sampled_from((None, 0, 1)),
    st.just("w"),
)
unsaid = st.dictionaries(st.sampled_from(NAMES), st.sampled_from((Why.NO_EVALUATOR, Why.INCOMPLETE)))
refusal_unsaid = st.dictionaries(st.sampled_from((0, 1)), st.just(Why.NO_EVALUATOR))
signals = st.lists(st.one_of(principle_signals, whole_signals), max_size=12)
ABOUT = Exchange("x", (Turn("user", "q"),), (Answer("one"), Answer("two")))


def readings(found: list[Signal], kept: dict[str, Why], refusals: dict[int, Why], by: str = "x") -> Reading:
    return Reading(by, "1", tuple(found), kept, refusals)


@given(LAW, signals, unsaid, refusal_unsaid, st.randoms())
def test_the_order_of_signals_and_readings_does_not_matter(law, found, kept, refusals, random) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    one, other = readings(found, kept, refusals, "x"), readings(found[::2], {}, refusals, "y")
    first = resolve(law, law.principles, ABOUT, [one, other])
    random.shuffle(found)
    second = resolve(law, law.principles, ABOUT, [other, readings(found, kept, refusals, "x")])
    assert first == second


@given(LAW, signals, unsaid, refusal_unsaid)
def test_every_verdict_is_well_formed(
    law: Constitution, found: list[Signal], kept: dict[str, Why], refusals: dict[int, Why]
) -> None:
    verdict = resolve(law, law.principles, ABOUT, [readings(found, kept, refusals)])
    assert [finding.principle for finding in verdict.findings] == list(NAMES)
    for finding in verdict.findings:
        evaluated = finding.finding is not Finding.NOT_EVALUATED
        assert (finding.probability is not None) is evaluated
        assert (finding.why is None) is evaluated
        if finding.probability is not None:
            assert (finding.probability >= 0.5) is (finding.finding is Finding.VIOLATES)
    assert (verdict.deciding is None) is (not verdict.violations)


@given(LAW, signals, unsaid, refusal_unsaid)
def test_the_clause_that_decides_comes_first_by_tier_then_severity_then_order(
    law: Constitution, found: list[Signal], kept: dict[str, Why], refusals: dict[int, Why]
) -> None:
    verdict = resolve(law, law.principles, ABOUT, [readings(found, kept, refusals)])
    if verdict.deciding is None:
        return
    first = law.principle(verdict.deciding.principle)
    for violation in verdict.violations:
        other = law.principle(violation.principle)
        mine = (-first.tier.rank, -first.severity.rank, NAMES.index(first.id))
        assert mine <= (-other.tier.rank, -other.severity.rank, NAMES.index(other.id))


def held(verdict: Verdict) -> set[str]:
    return {finding.principle for finding in verdict.findings if finding.finding is Finding.UPHOLDS}


@given(LAW, signals, unsaid, refusal_unsaid)
def test_knowing_less_never_upholds_more_and_never_turns_a_finding_round(
    law: Constitution, found: list[Signal], kept: dict[str, Why], refusals: dict[int, Why]
) -> None:
    known = resolve(law, law.principles, ABOUT, [readings(found, {}, {})])
    less = resolve(law, law.principles, ABOUT, [readings(found, kept, refusals)])
    assert held(less) <= held(known)
    for before, after in zip(known.findings, less.findings, strict=True):
        if after.finding is not Finding.NOT_EVALUATED:
            assert after.finding is before.finding
    assert less.refusal in (None, known.refusal)
    assert less.over_refusal in (None, known.over_refusal)


@given(LAW, st.lists(whole_signals.filter(lambda signal: signal.finds is Finds.BENIGN), max_size=3))
def test_what_nobody_evaluated_is_never_upheld_by_silence(law: Constitution, found: list[Signal]) -> None:
    nobody = dict.fromkeys(NAMES, Why.NO_EVALUATOR)
    verdict = resolve(
        law, law.principles, ABOUT, [readings(found, nobody, {0: Why.NO_EVALUATOR, 1: Why.NO_EVALUATOR})]
    )
    assert {finding.finding for finding in verdict.findings} == {Finding.NOT_EVALUATED}


@given(LAW, signals, st.sampled_from(NAMES), st.sampled_from((0, 1)))
def test_a_stronger_sign_of_harm_never_makes_a_violation_go_away(
    law: Constitution, found: list[Signal], name: str, answer: int
) -> None:
    before = resolve(law, law.principles, ABOUT, [readings(found, {}, {})])
    more = [*found, Signal(Finds.HARMFUL, 1.0, name, answer), Signal(Finds.CONDUCT, 1.0, name, answer)]
    after = resolve(law, law.principles, ABOUT, [readings(more, {}, {})])
    assert {v.principle for v in before.violations} <= {v.principle for v in after.violations}


@given(LAW, st.lists(principle_signals.filter(lambda signal: signal.answer is None), max_size=8))
def test_what_only_the_request_did_is_never_a_violation(law: Constitution, found: list[Signal]) -> None:
    verdict = resolve(law, law.principles, ABOUT, [readings(found, {}, {})])
    assert verdict.violations == ()
