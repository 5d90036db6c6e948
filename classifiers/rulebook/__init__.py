"""The rules that ship, one file a subject; each rule's own tests stand beside it."""

from functools import cache
from importlib import resources
from typing import Annotated

import msgspec

from classifiers.document import parse
from classifiers.problem import Refused
from classifiers.reader import Reader
from classifiers.rule import Rule, pattern_problems


class _Chapter(msgspec.Struct, frozen=True):
    title: str
    rules: Annotated[tuple[Rule, ...], msgspec.Meta(min_length=1, description="at least one rule")]


def read_chapter(text: str, file: str) -> tuple[Rule, ...]:
    """The rules of one file. Raises Refused with every problem."""
    reader = Reader(file)
    chapter = reader.read(parse(text, file, reader.problems), _Chapter)
    for index, rule in enumerate(chapter.rules if chapter else ()):
        for key, message in pattern_problems(rule):
            reader.problem(f"rules[{index}].{key}", message)
    if chapter is None or reader.problems:
        raise Refused(reader.problems)
    return chapter.rules


@cache
def shipped() -> dict[str, Rule]:
    """`secrets.private_key` -> the rule. Read once: the files belong to the package and do not change."""
    files = (file for file in resources.files(__name__).iterdir() if file.name.endswith(".yaml"))
    return {
        f"{file.name.removesuffix('.yaml')}.{rule.id}": rule
        for file in sorted(files, key=lambda file: file.name)
        for rule in read_chapter(file.read_text(encoding="utf-8"), file.name)
    }


def find(name: str) -> dict[str, Rule]:
    """The rules that a name stands for: one (`secrets.private_key`), or a whole file (`secrets`); may be empty."""
    return {key: rule for key, rule in shipped().items() if name in (key, key.partition(".")[0])}
