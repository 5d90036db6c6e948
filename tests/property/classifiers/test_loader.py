"""Whatever stands in the file, it is loaded whole or refused with lines: nothing else is raised."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifiers.constitution import Constitution, default_text, loads
from classifiers.problem import Problem, Refused
from tests.unit.classifiers.writing import principle, written

SMALL = written(
    principle(
        "one",
        "unless: {model: a}\nrules: [secrets, {id: r, title: t, finds: conduct, reads: text, patterns: [abc],"
        " match: [abc], no_match: [b]}]",
        scope="response",
    ),
    principle("two"),
)
SCRAPS = (
    "\n",
    "  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "'",
    '"',
    "|",
    "&a ",
    "*a",
    "!!str ",
    "#",
    "---\n",
    "\t",
    "%",
    "\x00",
    "é",
    "\ud800",
    "9" * 5000,
)


def outcome(text: str) -> Constitution | tuple[Problem, ...]:
    try:
        return loads(text, "c.yaml")
    except Refused as refused:
        return refused.problems


def load_or_refuse(text: str) -> None:
    loaded = outcome(text)
    if isinstance(loaded, Constitution):
        assert len(loaded.hash) == 64
        return
    lines = len(text.splitlines()) + 1
    assert loaded
    assert all(problem.file == "c.yaml" and 1 <= problem.line <= lines for problem in loaded)
    assert all(problem.message for problem in loaded)


@given(st.data())
def test_a_damaged_file_is_loaded_or_refused(data: st.DataObject) -> None:
    text = SMALL
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        text = text[:start] + data.draw(st.sampled_from(("", *SCRAPS))) + text[start + cut :]
    load_or_refuse(text)


@settings(max_examples=50)
@given(st.data())
def test_lines_lost_doubled_or_swapped_in_the_default_are_loaded_or_refused(data: st.DataObject) -> None:
    lines = default_text().splitlines(keepends=True)
    place = data.draw(st.integers(0, len(lines) - 1))
    other = data.draw(st.integers(0, len(lines) - 1))
    kind = data.draw(st.sampled_from(("lose", "double", "swap")))
    if kind == "lose":
        del lines[place]
    elif kind == "double":
        lines.insert(place, lines[place])
    else:
        lines[place], lines[other] = lines[other], lines[place]
    load_or_refuse("".join(lines))


@given(st.text(max_size=300))
def test_any_text_is_loaded_or_refused(text: str) -> None:
    load_or_refuse(text)


@given(st.permutations(SMALL.split("  - ")[1].splitlines()[1:9]))
def test_the_order_of_keys_does_not_change_the_hash(lines: list[str]) -> None:
    if any(not line.startswith("    ") or line.startswith("     ") for line in lines):
        pytest.fail("the keys are not a line each")
    first = SMALL.split("  - ")[1].splitlines()
    text = SMALL.replace("\n".join(first[1:9]), "\n".join(lines))
    assert loads(text).hash == loads(SMALL).hash
