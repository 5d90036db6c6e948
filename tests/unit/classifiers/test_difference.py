"""What one constitution changes of another."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from classifiers.constitution import Constitution, default
from classifiers.difference import Change, FieldChange, compare
from classifiers.principle import Action, Evaluators, RulesSay
from tests.unit.classifiers.writing import constitution, principle

THREE = constitution(principle("one"), principle("two"), principle("three"))


def changes(before: Constitution, after: Constitution) -> list[tuple[str, Change]]:
    return [(each.id, each.change) for each in compare(before, after).principles]


def with_principles(law: Constitution, *places: int) -> Constitution:
    return msgspec.structs.replace(law, principles=tuple(law.principles[place] for place in places))


def test_a_constitution_differs_in_nothing_from_itself() -> None:
    found = compare(default(), default())
    assert (found.same, found.principles, found.others) == (True, (), ())


def test_a_changed_word_is_one_field_before_and_after() -> None:
    after = constitution(principle("one"), principle("two", severity="low"), principle("three"))
    (found,) = compare(THREE, after).principles
    assert (found.id, found.title, found.change) == ("two", "Title of two", Change.CHANGED)
    assert found.fields == (FieldChange("severity", "high", "low"),)


def test_what_was_added_and_removed_says_all_it_says() -> None:
    after = constitution(principle("one"), principle("three"), principle("four"))
    added, removed = compare(THREE, after).principles
    assert (added.id, added.change, removed.id, removed.change) == ("four", Change.ADDED, "two", Change.REMOVED)
    assert FieldChange("title", "", "Title of four") in added.fields
    assert FieldChange("title", "Title of two", "") in removed.fields
    assert all(not field.before for field in added.fields)
    assert compare(THREE, after).count(Change.ADDED, Change.REMOVED) == 2


def test_a_place_that_moved_is_told_of_as_few_principles_as_can_be() -> None:
    found = compare(THREE, with_principles(THREE, 1, 2, 0)).principles
    assert [(each.id, each.change, each.fields) for each in found] == [
        ("one", Change.MOVED, (FieldChange("place", "1", "3"),))
    ]


def test_what_stands_before_an_added_or_removed_one_has_not_moved() -> None:
    assert changes(THREE, with_principles(THREE, 1, 2)) == [("one", Change.REMOVED)]
    assert changes(with_principles(THREE, 1, 2), THREE) == [("one", Change.ADDED)]


def test_one_that_moved_and_changed_is_a_change_that_says_its_place() -> None:
    after = constitution(principle("two"), principle("three"), principle("one", tier="honesty"))
    (found,) = compare(THREE, after).principles
    assert found.change is Change.CHANGED
    assert [field.field for field in found.fields] == ["tier", "place"]


def test_keys_within_keys_and_lists_are_as_they_would_be_written() -> None:
    (was,) = constitution(principle("one")).principles
    now = msgspec.structs.replace(
        was,
        evaluators=Evaluators(RulesSay.SUFFICIENT),
        action=Action.ALARM,
        heads=("harm.cyber",),
        rules=("secrets",),
    )
    before, after = (msgspec.structs.replace(THREE, principles=(each,)) for each in (was, now))
    (found,) = compare(before, after).principles
    assert {field.field: (field.before, field.after) for field in found.fields} == {
        "action": ("record", "alarm"),
        "evaluators.rules": ("partial", "sufficient"),
        "rules": ("", "- secrets"),
        "heads": ("", "- harm.cyber"),
    }


def test_what_belongs_to_no_principle_is_told_apart() -> None:
    facts = "facts:\n  clinic: {title: It is one, stated_by: [a clinic]}\n"
    head = f"version: 1\ntitle: Another\n{facts}rules: [refusal]\n"
    after = constitution(principle("one"), principle("two"), principle("three"), head=head)
    found = compare(THREE, after)
    assert found.principles == ()
    assert [field.field for field in found.others] == ["title", "rules", "facts.clinic"]
    assert (found.others[1].before, found.others[1].after) == ("- refusal\n- everyday", "- refusal")


@given(st.permutations(range(6)), st.integers(0, 6), st.sampled_from([None, "Some other text, long enough."]))
def test_nothing_is_said_just_when_the_hashes_are_the_same(order: list[int], kept: int, text: str | None) -> None:
    law = with_principles(default(), *range(6))
    other = with_principles(law, *(order[:kept] or [0]))
    if text is not None:
        first, *others = other.principles
        changed = msgspec.structs.replace(first, text=text)
        other = msgspec.structs.replace(other, principles=(changed, *others))
    found = compare(law, other)
    assert found.same is (law.hash == other.hash) is not bool(found.principles or found.others)
