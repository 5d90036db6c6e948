"""Where the members of a JSON object lie in its bytes: exact, without decoding it."""

import re
from collections.abc import Iterator

import msgspec

TOKENS = 200_000
"""Strings and brackets that one scan looks at, at most: about 30 ms."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NESTED = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)
_OPEN = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*")
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_COMMA = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*")
_SCALAR = re.compile(rb"[^,}\] \t\r\n]+")


class TooComplex(Exception):
    """More than TOKENS strings and brackets: a scan would hold up everyone else."""


class NotObject(Exception):
    """The bytes are not one JSON object."""


class Member(msgspec.Struct, frozen=True):
    """One `"key": value`; `body[start:end]` is the value's JSON text. `escaped`: the key has a backslash."""

    key: str
    escaped: bool
    start: int
    end: int


def members(body: bytes) -> Iterator[Member]:
    """The members of the object `body`, in order, duplicates included. `body` must be valid JSON.

    Linear in the length. Raises TooComplex; NotObject where `body` turns out not to be valid after all.
    """
    left = TOKENS
    at = _after(_OPEN, body, 0)
    while body[at : at + 1] != b"}":
        key_end = _after(_STRING, body, at)
        start = _after(_COLON, body, key_end)
        end, seen = _value_end(body, start, left)
        left -= seen
        token = body[at:key_end]
        yield Member(_text(token), b"\\" in token, start, end)
        at = _after(_COMMA, body, end)


def _after(pattern: re.Pattern[bytes], body: bytes, at: int) -> int:
    match = pattern.match(body, at)
    if match is None:
        raise NotObject(f"not a JSON object (byte {at})")
    return match.end()


def _text(token: bytes) -> str:
    try:
        return msgspec.json.decode(token, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotObject(f"a key that is no JSON string: {error}") from error


def _value_end(body: bytes, start: int, left: int) -> tuple[int, int]:
    """Where the value that starts at `start` ends, and how many tokens were looked at."""
    first = body[start : start + 1]
    if first == b'"':
        return _after(_STRING, body, start), 1
    if first not in (b"{", b"["):
        return _after(_SCALAR, body, start), 1
    depth = 0
    for seen, token in enumerate(_NESTED.finditer(body, start), 1):
        if seen > left:
            raise TooComplex(f"over {TOKENS} strings and brackets")
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return token.end(), seen
    raise NotObject("a value that does not end")
