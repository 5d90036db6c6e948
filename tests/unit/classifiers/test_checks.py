"""Check digits."""

import pytest

from classifiers.iban import fits
from classifiers.rule import Check
from classifiers.rules.checks import luhn, passes, ssn


@pytest.mark.parametrize(
    "digits",
    [
        "4539148803436467",
        "378282246310005",
        "4000000000000000006",
        "4111111111111111",
        "5555555555554444",
        "6011111111111117",
    ],
)
def test_right_card_numbers(digits: str) -> None:
    assert luhn(digits)


@pytest.mark.parametrize("digits", ["4539148803436468", "4111111111111121", "0" * 16, "42", "4" * 20, ""])
def test_wrong_card_numbers(digits: str) -> None:
    assert not luhn(digits)


def test_one_wrong_or_swapped_digit_is_seen() -> None:
    right = "4539148803436467"
    for place in range(16):
        wrong = right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :]
        assert not luhn(wrong)


@pytest.mark.parametrize("text", ["DE75512108001245126199", "GB33BUKB20201555555555", "NO9386011117947"])
def test_right_ibans(text: str) -> None:
    assert fits(text)


@pytest.mark.parametrize(
    "text", ["DE75512108001245126198", "DE7551210800124512619", "XX75512108001245126199", "DE", ""]
)
def test_wrong_ibans(text: str) -> None:
    assert not fits(text)


@pytest.mark.parametrize(
    ("digits", "right"), [("536228714", True), ("000121234", False), ("900121234", False), ("53622", False)]
)
def test_social_security_numbers(digits: str, *, right: bool) -> None:
    assert ssn(digits) is right


def test_a_check_reads_the_number_inside_the_match() -> None:
    assert passes(None, "anything")
    assert passes(Check.IBAN, "DE75 5121 0800 1245 1261 99")
    assert passes(Check.LUHN, "4539-1488-0343-6467")
    assert not passes(Check.LUHN, "\uff14\uff15\uff13\uff19")
    assert passes(Check.SSN, "ssn: 536-22-8714")
