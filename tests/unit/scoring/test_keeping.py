"""What is kept of an exchange, and where the verdict's spans are in it."""

from classifiers.exchange import Answer, Exchange, Turn
from classifiers.verdict import Finding, PrincipleFinding, Span, Verdict
from gateway.scoring.keeping import KEPT_CHARS, keep
from gateway.scoring.texts import KeptText

CARD = "4111111111111111"


def verdict(*spans: Span | None) -> Verdict:
    return Verdict(
        tuple(PrincipleFinding("leaks", Finding.VIOLATES, 1.0, span=span) for span in spans), "c" * 64, {}
    )


def kept(exchange: Exchange) -> KeptText:
    return keep(exchange, {}, verdict())[0]


def pointed_at(exchange: Exchange, *pieces: str) -> list[str | None]:
    """What the kept text has where spans of these pieces of the readable text were moved to."""
    readable = [answer.readable for answer in exchange.answers]
    spans = [
        Span(index, text.index(piece), text.index(piece) + len(piece))
        for piece in pieces
        for index, text in enumerate(readable)
        if piece in text
    ]
    text, moved = keep(exchange, {}, verdict(*spans))
    return [
        None if each.span is None else text.answers[each.span.answer].readable[each.span.start : each.span.end]
        for each in moved.findings
    ]


def test_every_text_is_redacted() -> None:
    answer = Answer(
        CARD, reasoning=CARD, tool_calls=(CARD,), finish_reason="stop", complete=False, unread=("audio",)
    )
    found = kept(Exchange("1", (Turn("system", CARD, ("image",)), Turn("user", CARD)), (answer,), "m"))
    assert found.turns == (Turn("system", "[card]", ("image",)), Turn("user", "[card]"))
    assert found.answers == (Answer("[card]", "[card]", ("[card]",), "stop", complete=False, unread=("audio",)),)
    assert not found.cut


def test_spans_point_into_the_kept_text() -> None:
    text = f"write to joe@example.org, the card is {CARD}, thank you"
    answer = Answer(text, reasoning="I know of jo@x.org and thought", tool_calls=("pay 555-123-4567 now",))
    exchange = Exchange("1", (), (Answer("another"), answer))
    assert pointed_at(exchange, CARD, "thank you", "thought", "now", "card is 4111", "another") == [
        "[card]",
        "thank you",
        "thought",
        "now",
        "card is [card]",
        "another",
    ]


def test_a_span_of_an_answer_that_is_not_there_is_dropped() -> None:
    _, moved = keep(Exchange("1", (), (Answer("short"),)), {}, verdict(Span(3, 0, 1), Span(0, 2, 99), None))
    assert [found.span for found in moved.findings] == [None, None, None]


def test_a_long_exchange_keeps_its_answer_and_its_last_turns() -> None:
    word = "word " * (KEPT_CHARS // 10)
    turns = tuple(Turn("user", f"{number}: {word}") for number in range(5))
    found = kept(Exchange("1", turns, (Answer(f"the answer {CARD}"),)))
    assert found.cut
    assert found.answers[0].text == "the answer [card]"
    assert found.turns[4].text == turns[4].text
    assert found.turns[3].text.startswith("3: word")
    assert found.turns[0].text == ""
    assert sum(len(turn.text) for turn in found.turns) <= KEPT_CHARS


def test_a_card_at_the_cut_is_not_left_in_half() -> None:
    text = "x" * (KEPT_CHARS - 10) + " 4111 1111 1111 1111"
    exchange = Exchange("1", (), (Answer(text),))
    assert "4111" not in kept(exchange).answers[0].text
    assert pointed_at(exchange, "4111 1111 1111 1111", text[:50]) == [None, text[:50]]


def test_what_was_truncated_before_says_so() -> None:
    assert kept(Exchange("1", (), (Answer("a"),), truncated=True)).cut
