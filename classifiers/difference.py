"""What one constitution says otherwise than another, principle by principle and key by key. Pure."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from enum import StrEnum

import msgspec
import yaml

from classifiers.constitution import Constitution, canonical_json
from classifiers.principle import Principle

_PLACE = "place"
"""Not a key of the file: where in the list a principle stands, from 1."""


class Change(StrEnum):
    """What became of a principle. moved: only its place is another, which decides between equals."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


class FieldChange(msgspec.Struct, frozen=True):
    """One key as it would stand in the file; empty: it would not. Keys within keys are joined by dots."""

    field: str
    before: str
    after: str


class PrincipleChange(msgspec.Struct, frozen=True):
    """One principle; of one that was added or removed, all that it says. `title`: the later one."""

    id: str
    title: str
    change: Change
    fields: tuple[FieldChange, ...]


class Difference(msgspec.Struct, frozen=True):
    """From the one with the hash `before` to the one with `after`: principles in the later file's order, removed
    ones behind them; `others`: title, facts and rules of the whole.
    """

    before: str
    after: str
    principles: tuple[PrincipleChange, ...]
    others: tuple[FieldChange, ...]

    @property
    def same(self) -> bool:
        """Whether they say the same: comments and layout aside."""
        return self.before == self.after

    def count(self, *kinds: Change) -> int:
        """How many principles became one of these."""
        return sum(each.change in kinds for each in self.principles)


def compare(before: Constitution, after: Constitution) -> Difference:
    """What is to be done to `before` to make it `after`. Empty just when their hashes are the same."""
    was = {each.id: each for each in before.principles}
    now = {each.id: each for each in after.principles}
    moved = _moved([name for name in was if name in now], [name for name in now if name in was])
    places = {name: (_place(was, name), _place(now, name)) for name in moved}
    found = [_change(was.get(name), each, places.get(name)) for name, each in now.items()]
    found += [_removed(each) for name, each in was.items() if name not in now]
    others = tuple(_fields(_whole(before), _whole(after)))
    return Difference(before.hash, after.hash, tuple(each for each in found if each is not None), others)


def _moved(before: Sequence[str], after: Sequence[str]) -> set[str]:
    """Those that do not stand among the others in the order in which they stood."""
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    stayed = {name for block in blocks for name in after[block.b : block.b + block.size]}
    return set(after) - stayed


def _place(principles: dict[str, Principle], name: str) -> str:
    return str(list(principles).index(name) + 1)


def _change(was: Principle | None, now: Principle, places: tuple[str, str] | None) -> PrincipleChange | None:
    """None: it is as it was."""
    if was is None:
        return PrincipleChange(now.id, now.title, Change.ADDED, tuple(_fields({}, _said(now))))
    fields = tuple(_fields(_said(was), _said(now)))
    if not fields and places is None:
        return None
    place = () if places is None else (FieldChange(_PLACE, *places),)
    return PrincipleChange(now.id, now.title, Change.CHANGED if fields else Change.MOVED, (*fields, *place))


def _removed(was: Principle) -> PrincipleChange:
    return PrincipleChange(was.id, was.title, Change.REMOVED, tuple(_fields(_said(was), {})))


def _fields(before: dict[str, str], after: dict[str, str]) -> Iterator[FieldChange]:
    for name in {**before, **after}:
        was, now = before.get(name, ""), after.get(name, "")
        if was != now:
            yield FieldChange(name, was, now)


def _said(principle: Principle) -> dict[str, str]:
    return {name: text for name, text in _written(principle, "") if name != "id"}


def _whole(constitution: Constitution) -> dict[str, str]:
    facts = {f"facts.{name}": _text(fact) for name, fact in constitution.facts.items()}
    return {"title": constitution.title, **facts, "rules": _text(constitution.rules)}


def _written(value: msgspec.Struct, above: str) -> Iterator[tuple[str, str]]:
    for field in msgspec.structs.fields(value):
        name, part = f"{above}{field.encode_name}", getattr(value, field.name)
        if isinstance(part, msgspec.Struct):
            yield from _written(part, f"{name}.")
        else:
            yield name, _text(part)


def _text(value: object) -> str:
    """A text as it is, nothing as nothing, all else as YAML."""
    if isinstance(value, str):
        return str(value)
    if value is None or value == ():
        return ""
    plain = msgspec.json.decode(canonical_json(value))
    return yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=100).rstrip("\n")
