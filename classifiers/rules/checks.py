"""Checks that a number is what it looks like."""

from classifiers import iban
from classifiers.rule import Check


def passes(check: Check | None, matched: str) -> bool:
    """True when there is no check, or the matched text passes it. What stands around the number is ignored."""
    if check is None:
        return True
    if check is Check.IBAN:
        return iban.fits("".join(part for part in matched.upper() if part.isascii() and part.isalnum()))
    digits = "".join(part for part in matched if part in "0123456789")
    return luhn(digits) if check is Check.LUHN else ssn(digits)


def luhn(digits: str) -> bool:
    """True for 13 to 19 digits with a right check digit (ISO/IEC 7812-1) that are not all the same."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def ssn(digits: str) -> bool:
    """True for nine digits that could be a US social security number: no part that is never issued."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    never = area in ("000", "666") or area >= "900" or group == "00" or serial == "0000"
    return len(digits) == 9 and not never and digits not in ("123456789", "078051120", "219099999")
