"""Redaction over texts built from the pieces that its patterns look at, glued in every way."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from classifiers.rules.checks import luhn
from gateway.scoring.redact import redact as redacted
from gateway.scoring.shadow import Shadowed


def redact(text: str, names: dict[str, str] | None = None) -> str:
    return redacted(text, names).text


PIECES = st.one_of(
    st.sampled_from(
        [
            *("4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005", "41 11 11"),
            *("a@b.co", "@", "joe.doe@example.org", "@x.y", ".", "-", "_", "+", "(", ")", "[", "]", "'", '"'),
            *("+49 30 1234567", "555-123-4567", "(555) 123-4567", "5551234567", "2024-01-15", "10.0.0.1", "00"),
            *("DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "DE89", "NO93 8601 1117 947"),
            *("sk-abcdefghij0123456789", "AKIAIOSFODNN7EXAMPLE", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0", "sk-"),
            *("password: ", "token=", "secret is ", "bearer ", "://", "hunter2", "joe:pass@", "api_key='"),
            *(
                "-----BEGIN PRIVATE KEY-----",
                "-----END PRIVATE KEY-----",
                "[card]",
                "[email]",
                "[secret]",
                "[phone]",
            ),
            *(
                "\uff14\uff11",
                "\u200b",
                "\u2011",
                "\u00a0",
                "\uff20",
                "\ufe0f\u20e3",
                "\u0664",
                "\u4f8b",
                "e\u0301",
            ),
            *(" ", "  ", "\n", "\t", "/", ":", "=", ",", "x", "word"),
        ]
    ),
    st.text(alphabet="0123456789", max_size=24),
    st.text(max_size=4),
)
THOROUGH = settings(settings.get_profile("thorough"))
TEXTS = st.lists(PIECES, max_size=14).map("".join)
NAMES = st.dictionaries(
    st.sampled_from(["joe.doe", "user-4111", "hunter2", "card"]), st.just("0a" * 16), max_size=2
)


@THOROUGH
@given(TEXTS, NAMES)
@example("password=x@a.bsk-abcdefghij0123456789", {})
@example("4111 1111 1111 1111 555 123 4567", {})
def test_twice_is_once(text: str, names: dict[str, str]) -> None:
    once = redact(text, names)
    assert redact(once, names) == once


@THOROUGH
@given(TEXTS)
def test_a_card_in_plain_groups_never_stays(text: str) -> None:
    found = re.findall(r"(?<!\d)(?<!\d[ .-])[2-6]\d{12,18}(?!\d)", Shadowed.of(redact(text)).shadow, re.ASCII)
    assert not [number for number in found if luhn(number)]


@given(st.text())
def test_the_shadow_is_as_long_as_the_text(text: str) -> None:
    shadowed = Shadowed.of(text)
    assert len(shadowed.shadow) == len(text)
    assert shadowed.shadow == text or not text.isascii()


@given(st.text(alphabet="abcdefghij ,;!?\n\u00e4\u00f6\u65e5", max_size=200))
def test_words_without_digits_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


@THOROUGH
@given(TEXTS, NAMES, st.integers(0, 400), st.integers(0, 60))
def test_what_was_left_alone_is_found_where_the_edits_say(
    text: str, names: dict[str, str], start: int, length: int
) -> None:
    start = min(start, len(text))
    end = min(start + length, len(text))
    found = redacted(text, names)
    at, until = found.edits.place(start, end)
    assert 0 <= at <= until <= len(found.text)
    if not any(edit.start < end and start < edit.end for edit in found.edits.all):
        assert found.text[at:until] == text[start:end] or start == end


@THOROUGH
@given(TEXTS)
def test_the_edits_make_the_one_text_from_the_other(text: str) -> None:
    found = redacted(text)
    made, position = "", 0
    for edit in found.edits.all:
        made += text[position : edit.start] + found.text[edit.at : edit.until]
        position = edit.end
    assert made + text[position:] == found.text
