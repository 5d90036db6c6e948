"""Finds secrets in text: keys by the shapes their makers gave them, and values that are named as secret."""

import re
from collections.abc import Iterator

from gateway.scoring.edits import Replacement

SECRET = "[secret]"  # noqa: S105 - what is put in a secret's place

# Every pattern is linear: a start fails within a bounded number of steps, or matches all that it looked at.
_TOKEN = re.compile(
    r"""(?x)
      (?<![A-Za-z0-9]) (?:
          sk-[A-Za-z0-9_-]{16,}
        | gh[oprsu]_[A-Za-z0-9]{30,} | github_pat_\w{30,}
        | xox[abeoprs]-[A-Za-z0-9-]{10,}
        | (?:AKIA|ASIA)[A-Z0-9]{16,}
        | AIza[A-Za-z0-9_-]{35,}
        | hf_[A-Za-z0-9]{20,}
        | glpat-[A-Za-z0-9_-]{16,} | tipstaff-[A-Za-z0-9_-]{30,}
        | npm_[A-Za-z0-9]{30,}
        | pypi-[A-Za-z0-9_-]{30,}
        | [prs]k_(?:live|test)_[A-Za-z0-9]{10,}
      )
    | (?<![\w-]) eyJ[\w-]{8,}+\.[\w-]{8,}+ (?:\.[\w-]*)?
    | (?<=://) [^\s/@:]++:[^\s/@]++ (?=@)
    """,
    re.ASCII,
)
_PLACED = r"(?!\[(?:secret|card|email|iban|phone|unit:[0-9a-f]{8})\])"
_NAMED = re.compile(
    rf"""(?xi)
    (?: api[_-]?key | access[_-]?key | secret(?:[_-]?key)? | token | passw(?:or)?d | pwd | passphrase )
    (?: ["']?\s{{0,3}}[:=]\s{{0,3}} (?: ["'](?P<quoted>{_PLACED}[^"'\n]{{4,}}) | (?P<bare>{_PLACED}[^\s"']{{4,}}) )
      | \s{{1,3}}is\s{{1,3}} (?P<said>{_PLACED}(?=[^\s\d]*+\d)[^\s]{{4,}})
    )
    | \bbearer\s{{1,3}} (?P<bearer>[A-Za-z0-9._~+/-]{{16,}}=*)
    """,
)
_KEY_STARTS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_LONGEST_KEY = 16_384


def private_keys(text: str) -> Iterator[Replacement]:
    """PEM private keys from BEGIN to END; without an END near by, as much as a key can be."""
    position = 0
    while begins := _KEY_STARTS.search(text, position):
        limit = min(begins.end() + _LONGEST_KEY, len(text))
        ends = _KEY_ENDS.search(text, begins.end(), limit)
        position = ends.end() if ends else limit
        yield begins.start(), position, SECRET


def named_values(text: str) -> Iterator[Replacement]:
    """The value in `password: value`, `"api_key": "value"`, `Bearer value`."""
    for match in _NAMED.finditer(text):
        start, end = match.span(match.lastgroup or 0)
        yield start, end, SECRET


def tokens(text: str) -> Iterator[Replacement]:
    """API keys, JSON Web Tokens, and `name:password` in URLs."""
    for match in _TOKEN.finditer(text):
        yield *match.span(), SECRET
