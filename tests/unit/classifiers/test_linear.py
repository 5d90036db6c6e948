"""Matching takes time linear in the text, whatever the text: four times the text, not sixteen times the time."""

import time
from collections.abc import Callable

import pytest

from classifiers.constitution import default
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.linear import BadPattern, Pattern, PatternSet
from classifiers.rules import RulesClassifier

SMALL = 32_768
HOSTILE: dict[str, Callable[[int], str]] = {
    "apologies": lambda size: "i'm so sorry " * (size // 13),
    "openings": lambda size: "sure, here is how to make a " * (size // 28),
    "digits": lambda size: "4539 " * (size // 5),
    "tokens": lambda size: ("eyJ" + "a" * 290 + ".") * (size // 294),
    "addresses": lambda size: "a.k@mailbox.net " * (size // 16),
    "one letter": lambda size: "a" * size,
    "invisible": lambda size: "a\u200b" * (size // 2),
    "nearly": lambda size: "you are pathetic i cannot how to build " * (size // 39),
}


def seconds(work: Callable[[], object]) -> float:
    """The least CPU time of three runs: what other processes do does not count."""
    times = []
    for _ in range(3):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


@pytest.mark.parametrize("name", HOSTILE)
def test_four_times_the_text_takes_about_four_times_the_time(name: str) -> None:
    classifier = RulesClassifier(default())
    small, large = (
        [Exchange("x", (Turn("user", text),), (Answer(text),))] for text in map(HOSTILE[name], (SMALL, 4 * SMALL))
    )
    classifier.classify(small)  # the automaton's states are made when first met
    took = seconds(lambda: classifier.classify(small))
    assert seconds(lambda: classifier.classify(large)) < 10 * took + 0.01


def test_a_pattern_that_makes_a_backtracking_engine_hang_does_not_hang() -> None:
    pattern = Pattern(r"(?:a+)+b")
    assert seconds(lambda: pattern.search("a" * 200_000)) < 1


def test_all_patterns_of_a_set_that_occur_are_told_and_places_are_found() -> None:
    assert PatternSet(["b", "^a", "z"]).occurring("abc") == {0, 1}
    assert PatternSet([]).occurring("abc") == set()
    assert Pattern("é").search("café!") == (3, 4)
    assert list(Pattern("é.").spans("éaéb")) == [(0, 2), (2, 4)]
    with pytest.raises(BadPattern, match="missing"):
        Pattern("(")
    with pytest.raises(BadPattern, match="too large together"):
        PatternSet(["[a-z]{500}"], memory=1 << 12)
