"""The rules that ship: each passes the tests that stand beside it."""

import pytest

from classifiers.lint import failed_tests
from classifiers.problem import Refused
from classifiers.rule import Rule
from classifiers.rulebook import find, read_chapter, shipped


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_rule_passes_its_own_tests(name: str) -> None:
    rule = shipped()[name]
    assert [f"{key}: {message}" for key, message in failed_tests(rule)] == []
    assert rule.match
    assert rule.no_match


def test_a_name_stands_for_one_rule_or_for_a_whole_file() -> None:
    assert list(find("secrets.private_key")) == ["secrets.private_key"]
    assert len(find("secrets")) > 5
    assert find("nothing") == {}


def test_a_rule_that_fails_its_tests_is_seen() -> None:
    rule = next(iter(shipped().values()))
    broken = Rule(rule.id, rule.title, rule.finds, rule.reads, ("abc",), ("xyz", "abc"), ("abcd", "x"))
    assert list(failed_tests(broken)) == [
        ("match[0]", "the rule does not find this text"),
        ("no_match[0]", "the rule finds this text"),
    ]


def test_a_broken_chapter_is_refused_with_its_lines() -> None:
    rule = "{id: a, title: t, finds: conduct, reads: text, patterns: ['(', b], match: [b], no_match: [c]}"
    text = f"title: t\nrules:\n  - {rule}"
    with pytest.raises(Refused, match=r"x\.yaml:3: rules\[0\]\.patterns\[0\]: '\(' is no RE2 pattern"):
        read_chapter(text, "x.yaml")
