"""Checks that a number is what it looks like."""

from classifiers.rule import Check

_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20,
    "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24,
    "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TR": 26,
}  # fmt: skip


def passes(check: Check | None, matched: str) -> bool:
    """True when there is no check, or the matched text passes it. What stands around the number is ignored."""
    if check is None:
        return True
    if check is Check.IBAN:
        return iban("".join(part for part in matched.upper() if part.isascii() and part.isalnum()))
    digits = "".join(part for part in matched if part in "0123456789")
    return luhn(digits) if check is Check.LUHN else ssn(digits)


def luhn(digits: str) -> bool:
    """True for 13 to 19 digits with a right check digit (ISO/IEC 7812-1) that are not all the same."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def iban(text: str) -> bool:
    """True for an IBAN of a known country's length whose check digits fit (ISO 13616, mod 97)."""
    if _IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(part, 36)) for part in text[4:] + text[:4])) % 97 == 1


def ssn(digits: str) -> bool:
    """True for nine digits that could be a US social security number: no part that is never issued."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    never = area in ("000", "666") or area >= "900" or group == "00" or serial == "0000"
    return len(digits) == 9 and not never and digits not in ("123456789", "078051120", "219099999")
