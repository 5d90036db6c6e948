"""`tipstaff constitution diff`: what one file changes of another, for people and for machines."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from classifiers.constitution import SHORT
from classifiers.difference import Change, Difference, FieldChange, compare
from gateway.app.constitution import load_constitution

_MARKS = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~", Change.MOVED: ">"}


def difference(path: Path, other: Path | None) -> Difference:
    """From one file to the other; of one alone, what it changes of the one that ships. Raises ConfigError."""
    before = load_constitution(None if other is None else path)
    return compare(before, load_constitution(path if other is None else other))


def plain(found: Difference) -> str:
    """As JSON, with `same` as the API has it."""
    return msgspec.json.encode({**msgspec.structs.asdict(found), "same": found.same}).decode()


def lines(found: Difference) -> Iterator[str]:
    """For a person; of added and removed principles only the title."""
    yield f"{found.before[:SHORT]} -> {found.after[:SHORT]}"
    if found.same:
        yield "they say the same"
    for field in found.others:
        yield f"~ {field.field}"
        yield from _both(field)
    for each in found.principles:
        yield f"{_MARKS[each.change]} {each.id}: {each.title} ({each.change})"
        for field in each.fields if each.change in (Change.CHANGED, Change.MOVED) else ():
            yield f"  {field.field}"
            yield from _both(field)


def _both(field: FieldChange) -> Iterator[str]:
    for mark, text in (("-", field.before), ("+", field.after)):
        yield from (f"    {mark} {line}" for line in text.splitlines())
