"""What redaction takes out, what it leaves, and how long it takes on hostile text."""

import time

import pytest

from gateway.scoring.redact import redact as redacted

CARD = "4111111111111111"


def redact(text: str, names: dict[str, str] | None = None) -> str:
    return redacted(text, names).text


TAKEN_OUT = {
    CARD: "[card]",
    "4111 1111 1111 1111": "[card]",
    "4111-1111-1111-1111": "[card]",
    "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1": "[card]",
    "4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1": "[card]",
    "3782 822463 10005": "[card]",
    "pan4111111111111111x": "pan[card]x",
    "4111 - 1111 - 1111 - 1111": "[card]",
    "\uff14\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11\uff11": "[card]",
    "\u0664\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661 \u0661\u0661\u0661\u0661": "[card]",
    "4111\u00a01111\u20111111\u200b1111": "[card]",
    "4111 1111 1111 1111 123": "[card] 123",
    "4111 1111 1111 1111 5500 0000 0000 0004": "[card] [card]",
    "write to jo.doe+x@mail.example.org.": "write to [email].",
    "\u65e5\u672c@\u4f8b\u3048.jp": "[email]",
    "joe\uff20example\uff0ecom": "[email]",
    "call +49 30 1234567 now": "call +[phone] now",
    "call (555) 123-4567": "call ([phone]",
    "555-123-4567": "[phone]",
    "5551234567": "[phone]",
    "555-1234": "[phone]",
    "+15551234567": "+[phone]",
    "5 5 5 1 2 3 4 5 6 7": "[phone]",
    "DE89 3704 0044 0532 0130 00": "[iban]",
    "pay GB29NWBK60161331926819 today": "pay [iban] today",
    "de89370400440532013000": "[iban]",
    "key sk-abcdefghij0123456789 end": "key [secret] end",
    "AKIAIOSFODNN7EXAMPLE": "[secret]",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345": "[secret]",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def": "[secret]",
    "password: hunter2!": "password: [secret]",
    'the "api_key": "abc def ghi"': 'the "api_key": "[secret]"',
    "AWS_SECRET_ACCESS_KEY=abcd/efgh": "AWS_SECRET_ACCESS_KEY=[secret]",
    "my password is tr0ub4dor": "my password is [secret]",
    "Authorization: Bearer abcdefghijklmnop.qrs": "Authorization: Bearer [secret]",
    "postgres://joe:pa55@db/x": "postgres://[secret]@db/x",
    "a -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- b": "a [secret] b",
    "-----BEGIN PRIVATE KEY-----\nMIIE cut off": "[secret]",
}

LEFT_ALONE = (
    "4111111111111112",
    "In 2024 there were 1,234,567 of them.",
    "2024-01-15 10:30:00",
    "192.168.100.200",
    "3.14159265358",
    "550e8400-e29b-41d4-a716-446655440000",
    "1.2.3 and 4.5.6",
    "1 2 3 4 5 6",
    "ratio 12/34",
    "the password is required",
    "the secretary: Johanna",
    "risk-management-is-a-long-word",
    "me @ home",
    "x = a[1] + b[2]",
    "DE00 3704 AB44 0532 XY30 00",
)


@pytest.mark.parametrize(("text", "expected"), TAKEN_OUT.items())
def test_takes_out(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_leaves_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", TAKEN_OUT)
def test_twice_is_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_the_units_own_value_becomes_its_hash() -> None:
    names = {"joe.doe-17": "00ff00ff00ff00ff", "abc": "11" * 8, "card": "22" * 8}
    assert redact("I am joe.doe-17, not xjoe.doe-17x; abc card", names) == (
        "I am [unit:00ff00ff], not xjoe.doe-17x; abc card"
    )


HOSTILE = {
    "digits": "4",
    "spaced digits": "4 ",
    "dashed digits": "4-",
    "random digits": "41839205718239471",
    "almost cards": "4111 1111 1111 1112 ",
    "cards": "4111 1111 1111 1111 ",
    "wide digits": "\uff14",
    "zero width": "4\u200b",
    "at signs": "@",
    "almost addresses": "a@",
    "addresses": "a@b.c@",
    "one local part": "a",
    "dots": "a@b.",
    "token starts": "sk-",
    "web token starts": "eyJaaaaaaaa-",
    "web token parts": "eyJaaaaaaaa.bb.",
    "named": "password=",
    "said": "password is ",
    "quotes": "password:'",
    "keys that begin": "-----BEGIN PRIVATE KEY-----",
    "urls": "://a:a",
    "iban starts": "DE89 ",
    "iban letters": "DE89AA",
    "brackets": "[card",
    "phones": "(555) 123-4567 ",
    "bearer": "bearer ",
    "parentheses": "((((",
    "keycaps": "4\ufe0f\u20e3",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_time_is_linear_on_hostile_text(piece: str) -> None:
    """Eight times the text may take at most about eight times as long; quadratic would take 64 times."""

    def seconds(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        best = float("inf")
        for _ in range(2):
            began = time.process_time()
            redact(text)
            best = min(best, time.process_time() - began)
        return best

    small, large = seconds(8_000), seconds(64_000)
    assert large < 2
    assert large < 30 * small + 0.05


def test_a_name_right_behind_a_card_is_found_once_the_card_is_gone() -> None:
    assert redact("4111111111111111hunter2", {"hunter2": "0a" * 16}) == "[card][unit:0a0a0a0a]"
