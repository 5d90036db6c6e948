"""What a page of docs/ tells its readers to type."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_FENCED = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")


def blocks(page: str) -> list[list[str]]:
    """The lines of each of its shell blocks."""
    return [found.splitlines() for found in _FENCED.findall((DOCS / page).read_text())]


def said(page: str) -> list[str]:
    """All code outside of them, in order: what stands indented, and what stands in a sentence or a table."""
    text = _FENCED.sub("", (DOCS / page).read_text())
    indented = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return indented + [" ".join(found.split()) for found in _INLINE.findall(text)]


def row(page: str, start: str) -> list[str]:
    """The code in the only row of a table that starts so, its first column left out."""
    (line,) = (line for line in (DOCS / page).read_text().splitlines() if line.startswith(f"| {start}"))
    return _INLINE.findall(line.split("|", 2)[2])


def line(page: str, start: str, end: str = "") -> str:
    """The only command outside of blocks that begins and ends so; AssertionError where the page has another."""
    found = {each for each in said(page) if each.startswith(start) and each.endswith(end)}
    assert len(found) == 1, f"{page} has {len(found)} commands {start!r}...{end!r}: {found}"
    return found.pop()
