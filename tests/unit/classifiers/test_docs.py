"""Every key and every word of the format stands in docs/constitution.md, and its example works."""

import re
from enum import StrEnum
from pathlib import Path

import msgspec
import pytest

from classifiers import examples
from classifiers.condition import Condition, Fact
from classifiers.constitution import Constitution, loads
from classifiers.principle import (
    Action,
    Evaluators,
    Example,
    Examples,
    Principle,
    RulesSay,
    Scope,
    Tier,
    ViolatedBy,
)
from classifiers.rule import Check, Finds, Reads, Rule
from classifiers.rules import RulesClassifier
from classifiers.rules.reader import MAX_CHARACTERS
from classifiers.verdict import Severity

PAGE = (Path(__file__).parents[3] / "docs" / "constitution.md").read_text(encoding="utf-8")
STRUCTS = (Constitution, Fact, Principle, Condition, Evaluators, Examples, Example, Rule)
WORDS = (Tier, Scope, Severity, Action, ViolatedBy, RulesSay, Finds, Reads, Check)


def documented(keys: set[str]) -> bool:
    """True when one run of table rows explains just these keys."""
    tables = [set(re.findall(r"^\| `(\w+)` \|", block, re.MULTILINE)) for block in PAGE.split("\n\n")]
    return keys in tables


@pytest.mark.parametrize("struct", STRUCTS)
def test_every_key_is_documented_in_a_table_of_its_own(struct: type[msgspec.Struct]) -> None:
    keys = {field.encode_name for field in msgspec.structs.fields(struct)}
    assert documented(keys), keys


@pytest.mark.parametrize("words", WORDS)
def test_every_word_is_documented(words: type[StrEnum]) -> None:
    missing = [word for word in words if f"`{word}`" not in PAGE]
    assert missing == []


def test_the_limit_is_the_one_in_force() -> None:
    assert f"{MAX_CHARACTERS:,} characters" in PAGE


def test_the_example_loads_and_no_example_of_it_fails() -> None:
    block = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    law = loads(block[1])
    outcomes = [str(result.outcome) for result in examples.test(law, RulesClassifier(law))]
    assert outcomes == ["passed", "passed", "not evaluated", "not evaluated"]
