"""Finds payment cards, phone numbers and IBANs in text, however they are grouped."""

import re
from collections.abc import Iterator
from itertools import accumulate, pairwise

from classifiers import iban
from gateway.scoring.edits import Replacement

CARD = "[card]"
PHONE = "[phone]"
IBAN = "[iban]"

_RUN = re.compile(r"\d(?:[ .()\t-]{0,3}+\d)*+", re.ASCII)
_GROUP = re.compile(r"\d+", re.ASCII)
_SHORTEST_CARD, _LONGEST_CARD = 13, 19
_SHORTEST_PHONE, _LONGEST_PHONE = 7, 15
_MOST_GROUPS = 6
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

_IBAN_STARTS = re.compile(r"(?<![A-Za-z])[A-Za-z]{2}\d{2}", re.ASCII)
_IBAN_REST = re.compile(r"(?:[ -]?[A-Za-z0-9]){11,30}+", re.ASCII)

Group = tuple[int, int]
"""Start and end of adjacent digits, in characters."""


def ibans(text: str) -> Iterator[Replacement]:
    """IBANs (ISO 13616) of the length that their country has, whose check digits fit."""
    done = 0
    for start in _IBAN_STARTS.finditer(text):
        length = iban.LENGTHS.get(start[0][:2].upper(), 0)
        rest = _IBAN_REST.match(text, start.end()) if length and start.start() >= done else None
        if rest is None:
            continue
        end = _end_of(text, start.start(), length, rest.end())
        if end and iban.fits("".join(filter(str.isalnum, text[start.start() : end]))):
            done = end
            yield start.start(), end, IBAN


def _end_of(text: str, start: int, length: int, limit: int) -> int:
    """Where `length` letters and digits from `start` end; 0 when `limit` comes first."""
    for position in range(start, limit):
        length -= text[position].isalnum()
        if not length:
            return position + 1
    return 0


def cards_and_phones(text: str) -> Iterator[Replacement]:
    """Payment cards (by length, first digit and check digit), and in what is left phone numbers."""
    for run in _RUN.finditer(text):
        if run.end() - run.start() >= _SHORTEST_PHONE:
            groups = [group.span() for group in _GROUP.finditer(text, *run.span())]
            yield from _in_run(text, groups)


def _in_run(text: str, groups: list[Group]) -> Iterator[Replacement]:
    position = 0
    for first, last in _card_groups(text, groups):
        yield from _phone(text, groups[position:first])
        yield groups[first][0], groups[last][1], CARD
        position = last + 1
    yield from _phone(text, groups[position:])


def _card_groups(text: str, groups: list[Group]) -> list[tuple[int, int]]:
    """Ranges (first and last group) of `groups` that hold cards, overlapping ones joined, ascending."""
    digits = "".join(text[start:end] for start, end in groups)
    if len(digits) < _SHORTEST_CARD:
        return []
    edges = [0, *accumulate(end - start for start, end in groups)]
    ending = {edge: index for index, edge in enumerate(edges[1:])}
    sums = _luhn_sums(digits)
    found: list[tuple[int, int]] = []
    for first, start in enumerate(edges[:-1]):
        last = _card_end(digits, start, ending, sums)
        if last is None:
            continue
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _card_end(digits: str, start: int, ending: dict[int, int], sums: tuple[list[int], list[int]]) -> int | None:
    """The last group of the longest card that begins with the digit `start`."""
    if digits[start] not in "23456":
        return None
    for end in range(start + _LONGEST_CARD, start + _SHORTEST_CARD - 1, -1):
        last = ending.get(end)
        if last is None:
            continue
        by_parity = sums[(end - 1) % 2]
        if (by_parity[end] - by_parity[start]) % 10 == 0 and len(set(digits[start:end])) > 1:
            return last
    return None


def _luhn_sums(digits: str) -> tuple[list[int], list[int]]:
    """Running Luhn sums (ISO/IEC 7812-1), for a last digit at an even and at an odd place.

    So whether the check digit of any stretch fits costs one subtraction.
    """
    even, odd = [0], [0]
    for index, char in enumerate(digits):
        plain = int(char)
        doubled = _DOUBLED[plain]
        even.append(even[-1] + (doubled if index % 2 else plain))
        odd.append(odd[-1] + (plain if index % 2 else doubled))
    return even, odd


def _phone(text: str, groups: list[Group]) -> Iterator[Replacement]:
    count = sum(end - start for start, end in groups)
    if not _SHORTEST_PHONE <= count <= _LONGEST_PHONE:
        return
    start, end = groups[0][0], groups[-1][1]
    before = text[max(0, start - 2) : start]
    if _touches_word(before) or text[end : end + 1].isalnum():
        return
    if before.endswith(("+", "+(", "(")) or _grouped_as_phone(text, groups, count):
        yield start, end, PHONE


def _touches_word(before: str) -> bool:
    return before[-1:].isalnum() or (before[-1:] in ("-", ".", "_") and before[:1].isalnum())


def _grouped_as_phone(text: str, groups: list[Group], count: int) -> bool:
    sizes = [end - start for start, end in groups]
    first = text[groups[0][0] : groups[0][1]]
    if len(groups) == 1:
        return (count == 10 and first[0] in "023456789") or (count == 11 and first[0] in "01")
    if max(sizes) == 1:
        return count >= 10  # told digit by digit
    if len(groups) > _MOST_GROUPS or min(sizes[1:]) < 2:
        return False
    if sizes[0] == 4 and first[:2] in ("19", "20") and sizes[1] == 2:
        return False  # a date
    dotted = all(text[before[1] : after[0]] == "." for before, after in pairwise(groups))
    if dotted and (len(groups) == 2 or (len(groups) == 4 and max(sizes) <= 3)):
        return False  # a decimal number, or an IPv4 address
    return count >= 9 or sizes == [3, 4]
