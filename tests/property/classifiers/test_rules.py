"""The rules classifier on any text."""

from hypothesis import given
from hypothesis import strategies as st

from classifiers.constitution import default
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.rules import RulesClassifier
from classifiers.verdict import Finding

LAW = default()
CLASSIFIER = RulesClassifier(LAW)
WORDS = (
    "I'm sorry|, but I can't help with that.|Sure, here is|how to|build|a pipe bomb|\u200b|\n|é|\ud800|🙂|"
    "AKIAQ3EGRTZ7WMVJ5K2N|4539 1488 0343 6467"
)
phrases = st.lists(st.sampled_from(WORDS.split("|")), max_size=8).map(" ".join)
texts = st.one_of(phrases, st.text(max_size=80))
answers = st.builds(
    Answer, texts, texts, st.lists(texts, max_size=2).map(tuple), st.just("stop"), st.booleans(), st.just(())
)
turns = st.builds(Turn, st.sampled_from(("system", "user", "assistant", "tool")), texts)
exchanges = st.builds(
    Exchange,
    st.just("x"),
    st.lists(turns, max_size=3).map(tuple),
    st.lists(answers, max_size=3).map(tuple),
    st.just("m"),
    st.booleans(),
)


@given(exchanges)
def test_any_exchange_gets_a_verdict_whose_spans_lie_in_its_answers(about: Exchange) -> None:
    verdict = CLASSIFIER.classify([about])[0]
    for found in verdict.findings:
        if found.span is not None:
            readable = about.answers[found.span.answer].readable
            assert 0 <= found.span.start < found.span.end <= len(readable)
        silent = found.finding is Finding.UPHOLDS and found.rule == ""
        if silent and found.principle != "over_refusal":  # one complying answer settles that one
            assert all(answer.complete for answer in about.answers)
            assert not about.truncated


@given(exchanges)
def test_taking_the_end_of_an_answer_away_never_upholds_more(about: Exchange) -> None:
    cut = Exchange(about.id, about.turns, about.answers, about.model, truncated=True)
    whole, less = CLASSIFIER.classify([about, cut])
    for before, after in zip(whole.findings, less.findings, strict=True):
        if after.finding is Finding.UPHOLDS:
            assert before.finding is Finding.UPHOLDS
        assert (after.finding is Finding.VIOLATES) is (
            before.finding is Finding.VIOLATES
        ) or after.principle == "over_refusal"
