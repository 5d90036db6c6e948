"""The constitution: a file of principles, loaded whole or refused with every reason and its line."""

import hashlib
from functools import cached_property
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec

from classifiers import rulebook
from classifiers.condition import Condition, Fact
from classifiers.document import parse
from classifiers.principle import Principle, Scope
from classifiers.problem import Problem, Refused
from classifiers.reader import Reader, suggestion
from classifiers.rule import Finds, Rule, pattern_problems

SHORT = 12
"""Characters of the hash that people are shown."""


class Constitution(msgspec.Struct, frozen=True, dict=True):
    """A constitution as written: what stands in the file, without comments and layout.

    `rules` speak of the exchange as a whole (refusal, benign); a principle's own rules stand with it.
    """

    version: Annotated[int, msgspec.Meta(ge=1, le=1, description="1, the version of this format")]
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=120, description="1 to 120 characters")]
    principles: Annotated[
        tuple[Principle, ...],
        msgspec.Meta(min_length=1, max_length=40, description="1 to 40 principles; 10 to 20 are easiest to keep"),
    ]
    facts: dict[str, Fact] = {}
    rules: tuple[str | Rule, ...] = ("refusal", "everyday")

    @cached_property
    def hash(self) -> str:
        """The content's hash, its version: BLAKE2b-256, in hex, of the canonical JSON.

        That is UTF-8 with sorted keys, no spaces, and no key whose value is the default, so that comments, layout
        and the order of keys do not change it, nor does a later format that only adds keys.
        """
        return hashlib.blake2b(canonical_json(self), digest_size=32).hexdigest()

    @property
    def short_hash(self) -> str:
        """The first 12 characters of `hash`, for people; compare whole ones."""
        return self.hash[:SHORT]

    def principle(self, name: str) -> Principle:
        """The principle with that id. Raises KeyError when there is none."""
        for principle in self.principles:
            if principle.id == name:
                return principle
        raise KeyError(name)

    @cached_property
    def all_rules(self) -> tuple[tuple[str, str, Rule], ...]:
        """(principle id, full name, rule) of every rule in force; the id is empty for rules of the whole."""
        owned = [(found.id, found.rules) for found in self.principles]
        return tuple(
            (owner, name, rule)
            for owner, rules in (("", self.rules), *owned)
            for written in rules
            for name, rule in _named(owner, written).items()
        )


def load(path: Path) -> Constitution:
    """The constitution in a file. Raises Refused with every problem; an unreadable file is one."""
    return loads(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The file's text. Raises Refused when there is none to be had."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise Refused([Problem(str(path), 1, "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Refused([Problem(str(path), line, "", "not UTF-8 text: save it as UTF-8")]) from error


def loads(text: str, file: str = "constitution.yaml") -> Constitution:
    """The constitution in a text; `file` is what problems call it. Raises Refused with every problem."""
    constitution, reader = examine(text, file)
    if constitution is None:
        raise Refused(reader.problems)
    return constitution


def default() -> Constitution:
    """The constitution that ships."""
    return loads(default_text(), "classifiers/constitution.yaml")


def default_text() -> str:
    """The file that ships, as written: what a user copies to begin with."""
    return resources.files("classifiers").joinpath("constitution.yaml").read_text(encoding="utf-8")


def examine(text: str, file: str) -> tuple[Constitution | None, Reader]:
    """What the text spells, if anything, and the reader that knows its problems and lines.

    Raises Refused when it is no YAML at all.
    """
    reader = Reader(file)
    constitution = reader.read(parse(text, file, reader.problems), Constitution)
    taken: dict[str, str] = {}
    for path, value in reader.built:
        if isinstance(value, Principle):
            _check_id(value.id, f"{path}.id", taken, reader)
            _check_rules(value.rules, path, value, reader)
        elif isinstance(value, Rule):
            for key, message in pattern_problems(value):
                reader.problem(f"{path}.{key}", message)
        elif isinstance(value, Condition):
            _check_condition(value, path, reader)
    if constitution is not None:
        _check_rules(constitution.rules, "", None, reader)
    return (None if reader.problems else constitution), reader


def _check_id(name: str, path: str, taken: dict[str, str], reader: Reader) -> None:
    if name in taken:
        reader.problem(path, f"{name!r} is taken on line {reader.lines[taken[name]]}: give each its own")
    taken.setdefault(name, path)


def _check_rules(rules: tuple[str | Rule, ...], above: str, owner: Principle | None, reader: Reader) -> None:
    taken: dict[str, str] = {}
    for index, written in enumerate(rules):
        path = f"{above}.rules[{index}]" if above else f"rules[{index}]"
        if isinstance(written, Rule):
            _check_id(written.id, f"{path}.id", taken, reader)
        elif not rulebook.find(written):
            known = sorted({name for key in rulebook.shipped() for name in (key, key.partition(".")[0])})
            reader.problem(path, f"no rule or file of rules is called {written!r}; {suggestion(written, known)}")
        meant = _named(owner.id if owner else "", written)
        wrong = ((name, rule, _misplaced(rule, owner)) for name, rule in meant.items())
        for name, rule, message in islice((found for found in wrong if found[2]), 1):
            reader.problem(path, f"{name} finds {rule.finds}: {message}")


def _misplaced(rule: Rule, owner: Principle | None) -> str:
    """Why a rule cannot stand where it does; empty when it can."""
    of_the_whole = rule.finds in (Finds.REFUSAL, Finds.BENIGN)
    if of_the_whole != (owner is None):
        return "it belongs under the top-level key `rules`" if of_the_whole else "it belongs to a principle"
    if owner is not None and owner.scope is Scope.REQUEST and rule.finds in (Finds.HARMFUL, Finds.CONDUCT):
        return "a principle of scope request speaks of no answer; set another scope"
    return ""


def _check_condition(condition: Condition, path: str, reader: Reader) -> None:
    if condition.empty:
        reader.problem(path, "says nothing: give model, stated, system_says or request_says")
    facts = [key.removeprefix("facts.") for key in reader.lines if key.startswith("facts.") and key.count(".") == 1]
    for fact in condition.stated:
        if fact not in facts:
            known = suggestion(fact, facts) if facts else "declare it under `facts`"
            reader.problem(f"{path}.stated", f"{fact!r} is no declared fact; {known}")


def canonical_json(value: object) -> bytes:
    """UTF-8, sorted keys, no spaces, no key whose value equals its default."""
    return msgspec.json.encode(_canonical(value), order="sorted")


def _canonical(value: object) -> object:
    if isinstance(value, tuple):
        return [_canonical(part) for part in value]
    if isinstance(value, dict):
        return {key: _canonical(part) for key, part in value.items()}
    if not isinstance(value, msgspec.Struct):
        return value
    return {
        field.encode_name: _canonical(getattr(value, field.name))
        for field in msgspec.structs.fields(value)
        if getattr(value, field.name) != _default(field)
    }


def _default(field: msgspec.structs.FieldInfo) -> object:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def _named(owner: str, written: str | Rule) -> dict[str, Rule]:
    if isinstance(written, str):
        return rulebook.find(written)
    return {f"{owner or 'rules'}.{written.id}": written}
