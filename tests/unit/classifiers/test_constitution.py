"""The file: loaded whole or refused with every problem and its line; its hash is its content's."""

from pathlib import Path

import pytest

from classifiers.constitution import Constitution, canonical_json, default, default_text, load, loads
from classifiers.document import MAX_BYTES, MAX_DEPTH
from classifiers.principle import Principle, Tier, ViolatedBy
from classifiers.problem import Refused
from classifiers.verdict import Severity
from tests.unit.classifiers.writing import HEAD, constitution, principle, written


def problems(text: str) -> list[str]:
    with pytest.raises(Refused) as refused:
        loads(text, "c.yaml")
    return [str(problem) for problem in refused.value.problems]


def test_a_principle_is_read_with_its_defaults() -> None:
    found = constitution(principle("one", tier="honesty", severity="low")).principle("one")
    assert (found.tier, found.severity, found.decided_by) == (Tier.HONESTY, Severity.LOW, ViolatedBy.CONDUCT)
    with pytest.raises(KeyError):
        constitution(principle("one")).principle("two")


def test_the_default_ships_has_ten_to_twenty_principles_of_every_tier_and_is_stable() -> None:
    law = default()
    assert 10 <= len(law.principles) <= 20
    assert {found.tier for found in law.principles} == set(Tier)
    assert law.hash == default().hash
    assert len(law.hash) == 64
    assert law.hash.startswith(law.short_hash)


def test_every_problem_is_reported_at_once_with_its_line() -> None:
    text = written(
        principle("Bad Id", tier="harmless"),
        principle("two", severity="grave", scope="answer"),
        principle("three", "unless: {modell: x}\nwhatever: 1"),
    )
    said = problems(text)
    assert said == [
        "c.yaml:4: principles[0].id: Bad Id given, expected lower-case words joined by _, like `self_harm`",
        "c.yaml:5: principles[0].tier: 'harmless' is not known here; did you mean 'harmlessness'?",
        "c.yaml:14: principles[1].scope: 'answer' is not known here; expected one of request, response, exchange",
        "c.yaml:15: principles[1].severity: 'grave' is not known here; expected one of low, medium, high, critical",
        "c.yaml:27: principles[2].unless: says nothing: give model, stated, system_says or request_says",
        "c.yaml:27: principles[2].unless.modell: unknown key; did you mean 'model'?",
        f"c.yaml:28: principles[2].whatever: unknown key; expected one of {', '.join(Principle.__struct_fields__)}",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "c.yaml:1: the file is empty"),
        ("# nothing\n", "c.yaml:1: the file is empty"),
        ("just words", "c.yaml:1: 'just words' given, expected a mapping with the keys"),
        ("- a\n- b", "c.yaml:1: a list given, expected a mapping"),
        ("a: [1, 2", "c.yaml:1: not YAML"),
        ("a: b\n\tc: d", "c.yaml:2: not YAML"),
        ("a: \x07", "c.yaml:1: not YAML"),
        ("a: \ud800", "c.yaml:1: not UTF-8"),
        ("version: 1\n---\nversion: 1", "c.yaml:3: a second document starts here"),
        ("title: &a x", "c.yaml:1: anchors and aliases"),
        ("title: *a", "c.yaml:1: anchors and aliases"),
        ("title: !!python/object:os.system x", "c.yaml:1: tags like"),
        ("? {a: b}\n: c", "c.yaml:1: a key must be a plain word"),
        ("title:\n" * 1 + "x: " + "[" * 40, f"c.yaml:2: nested deeper than {MAX_DEPTH}"),
        ("#" * (MAX_BYTES + 1), "c.yaml:1: the file is larger"),
    ],
)
def test_what_is_no_plain_document_is_refused_with_its_line(text: str, said: str) -> None:
    assert problems(text)[0].startswith(said)


def test_an_alias_bomb_is_refused_before_it_is_built() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert problems(bomb)[0].startswith("c.yaml:1: anchors and aliases")


def test_a_key_given_twice_is_refused_and_the_rest_is_still_read() -> None:
    said = problems(written(principle("one", "id: again", tier="x")))
    assert (
        said[0]
        == "c.yaml:5: principles[0].tier: 'x' is not known here; expected one of harmlessness, honesty, helpfulness"
    )
    assert said[1] == "c.yaml:11: id: given twice, first on line 4: keep one of them"


def test_two_principles_cannot_share_an_id() -> None:
    said = problems(written(principle("one"), principle("one", title="Other")))
    assert said == ["c.yaml:12: principles[1].id: 'one' is taken on line 4: give each its own"]


def test_missing_keys_and_wrong_values_say_what_was_expected() -> None:
    said = problems("version: one\nprinciples:\n  - id: a\n    examples: text\n    title: ''\n    rules: {id: b}\n")
    assert "c.yaml:1: title: is missing: add it" in said
    assert "c.yaml:1: version: 'one' given, expected a whole number" in said
    assert any(
        line.startswith("c.yaml:4: principles[0].examples: 'text' given, expected a mapping") for line in said
    )
    assert "c.yaml:5: principles[0].title:  given, expected 1 to 80 characters" in said
    assert "c.yaml:6: principles[0].rules.finds: is missing: add it" in said


def test_words_that_yaml_would_turn_into_other_values_stay_words() -> None:
    law = constitution(principle("one", title="no", text="2026-01-01 is a day, on or off"))
    assert law.principle("one").title == "no"


RULE = (
    "rules: [{{id: r, title: t, finds: {finds}, reads: answer, patterns: ['{pattern}'], "
    "match: [a], no_match: [b], {more}}}]"
)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("rules: [secret]", "rules[0]: no rule or file of rules is called 'secret'; did you mean 'secrets'?"),
        ("rules: [refusal]", "rules[0]: refusal.english finds refusal: it belongs under the top-level key `rules`"),
        (
            RULE.format(finds="conduct", pattern="(a", more=""),
            "rules[0].patterns[0]: '(a' is no RE2 pattern: missing )",
        ),
        (
            RULE.format(finds="conduct", pattern="(?=a)b", more=""),
            "rules[0].patterns[0]: '(?=a)b' is no RE2 pattern",
        ),
        (
            RULE.format(finds="conduct", pattern="(a)\\1", more=""),
            "rules[0].patterns[0]: '(a)\\\\1' is no RE2 pattern",
        ),
        (RULE.format(finds="conduct", pattern="a*", more=""), "rules[0].patterns[0]: 'a*' matches the empty text"),
        (RULE.format(finds="conduct", pattern="Abc", more=""), "rules[0].patterns[0]: 'Abc' has a capital letter"),
        (
            RULE.format(finds="conduct", pattern="a+", more="novel: true"),
            "rules[0].patterns[0]: 'a+' repeats without",
        ),
        (
            RULE.format(finds="conduct", pattern="a{2,}", more="at_least: 2"),
            "rules[0].patterns[0]: 'a{2,}' repeats",
        ),
        (RULE.format(finds="conduct", pattern="a", more="probability: nan"), "rules[0].probability: nan given"),
        (RULE.format(finds="conduct", pattern="a", more="probability: 0.2"), "rules[0].probability: 0.2 given"),
        (
            RULE.format(finds="conduct", pattern="a", more="novel: maybe"),
            "rules[0].novel: 'maybe' given, expected true",
        ),
        (
            RULE.format(finds="benign", pattern="a", more=""),
            "rules[0]: one.r finds benign: it belongs under the top-level",
        ),
    ],
)
def test_a_rule_that_cannot_work_is_refused(rule: str, said: str) -> None:
    assert any(f"principles[0].{said}" in line for line in problems(written(principle("one", rule)))), rule


def test_patterns_may_use_classes_escapes_and_bounds_where_every_match_counts() -> None:
    rule = RULE.format(finds="conduct", pattern=r"[a+*]{1,4}\+\*\d{2}", more="novel: true")
    assert constitution(principle("one", rule)).all_rules[-1][1] == "one.r"


def test_a_principle_of_scope_request_takes_no_rule_about_answers() -> None:
    said = problems(written(principle("one", "rules: [harm.gives_cyber]", scope="request")))
    assert "speaks of no answer" in said[0]


def test_top_level_rules_speak_of_the_whole() -> None:
    said = problems(written(principle("one"), head=HEAD + "rules: [secrets]\n"))
    assert said == ["c.yaml:3: rules[0]: secrets.private_key finds conduct: it belongs to a principle"]


def test_a_condition_names_declared_facts_only() -> None:
    said = problems(
        written(principle("one", "unless: {stated: [clinik]}"), head=HEAD + "facts: {clinic: {title: A}}\n")
    )
    assert said == ["c.yaml:12: principles[0].unless.stated: 'clinik' is no declared fact; did you mean 'clinic'?"]


def test_comments_layout_order_of_keys_and_written_defaults_do_not_change_the_hash() -> None:
    plain = constitution(principle("one", RULE.format(finds="conduct", pattern="a", more="probability: 0.99")))
    text = written(
        principle("one", "action: record\n" + RULE.format(finds="conduct", pattern="a", more="at_least: 1"))
    )
    other = "# a comment\n" + text.replace("version: 1\ntitle: A test\n", "title:   'A test'\nversion: 1\n\n")
    assert loads(other).hash == plain.hash


def test_the_canonical_form_is_sorted_and_leaves_defaults_out() -> None:
    assert canonical_json(constitution(principle("one", severity="low"))).decode() == (
        '{"principles":[{"examples":{},"id":"one","scope":"exchange","severity":"low",'
        '"text":"Twenty letters at least, about one.","tier":"harmlessness","title":"Title of one"}],'
        '"title":"A test","version":1}'
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [("Twenty letters", "Twenty words"), ("severity: high", "severity: low"), ("title: A test", "title: B test")],
)
def test_a_word_changes_the_hash(old: str, new: str) -> None:
    text = written(principle("one"))
    assert old in text
    assert loads(text.replace(old, new)).hash != loads(text).hash


def test_the_order_of_principles_is_content() -> None:
    one, two = principle("one"), principle("two")
    assert constitution(one, two).hash != constitution(two, one).hash


def test_files_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    with pytest.raises(Refused, match="cannot be read: No such file"):
        load(path)
    path.write_bytes(b"version: 1\ntitle: \xff\n")
    with pytest.raises(Refused, match=r"c\.yaml:2: not UTF-8"):
        load(path)
    path.write_text(default_text(), encoding="utf-8")
    assert isinstance(load(path), Constitution)
    assert load(path).hash == default().hash
