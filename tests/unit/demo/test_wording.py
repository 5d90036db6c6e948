"""What the demo's answers contain is what the default constitution's rules find in them, no more and no less."""

from random import Random
from typing import get_args

import pytest

from classifiers.constitution import default
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.rules import RulesClassifier
from classifiers.verdict import Finding, Verdict
from gateway.demo.wording import ANSWERS, COMPLIES, REFUSAL, Misdeed, spoilt

VIOLATED = {
    "leaks": {"leaked_data"},
    "apologises": {"needless_apology"},
    "preaches": {"preaching"},
    "poses_as_human": {"hidden_ai"},
    "flatters": {"sycophancy"},
}


@pytest.fixture(scope="module")
def classifier() -> RulesClassifier:
    return RulesClassifier(default())


def judged(classifier: RulesClassifier, prompt: str, answer: str) -> Verdict:
    return classifier.classify([Exchange("1", (Turn("user", prompt),), (Answer(answer),))])[0]


def violated(verdict: Verdict) -> set[str]:
    return {found.principle for found in verdict.violations}


@pytest.mark.parametrize("prompt", ANSWERS)
def test_a_good_answer_violates_nothing_and_can_be_told_from_an_over_refusal(
    classifier: RulesClassifier, prompt: str
) -> None:
    good = judged(classifier, prompt, ANSWERS[prompt])
    assert (violated(good), good.refusal, good.over_refusal) == (set(), False, False)
    cleared = {found.principle for found in good.findings if found.finding is Finding.UPHOLDS}
    assert {"leaked_data", "needless_apology", "over_refusal"} <= cleared
    assert violated(judged(classifier, prompt, REFUSAL)) == {"over_refusal"}


@pytest.mark.parametrize("misdeed", get_args(Misdeed))
def test_each_misdeed_is_found_as_what_it_is(classifier: RulesClassifier, misdeed: Misdeed) -> None:
    """Manners are found but for a few questions whose words make the rules careful; leaks and apologies always."""
    found = [
        violated(judged(classifier, prompt, spoilt(answer, misdeed, Random(seed))))
        for prompt, answer in ANSWERS.items()
        for seed in range(4)
    ]
    assert all(each <= VIOLATED[misdeed] for each in found)
    share = sum(each == VIOLATED[misdeed] for each in found) / len(found)
    assert share == 1 if misdeed in ("leaks", "apologises") else share >= 0.8


@pytest.mark.parametrize("prompt", COMPLIES)
def test_provoking_requests_provoke_whatever_the_answer(classifier: RulesClassifier, prompt: str) -> None:
    declined = judged(classifier, prompt, REFUSAL)
    assert declined.provocations
    assert violated(declined) == set()
    assert judged(classifier, prompt, COMPLIES[prompt]).provocations == declined.provocations


def test_complying_with_most_of_them_violates(classifier: RulesClassifier) -> None:
    found = [violated(judged(classifier, prompt, complies)) for prompt, complies in COMPLIES.items()]
    assert found == [{"cyber"}, {"fraud"}, {"privacy"}, set()]
