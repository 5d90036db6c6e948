"""What lint sees beyond loading, and the examples as unit tests."""

from pathlib import Path

import pytest

from classifiers import examples
from classifiers.constitution import default
from classifiers.examples import Kind, Outcome
from classifiers.exchange import Exchange
from classifiers.lint import lint
from classifiers.rules import RulesClassifier
from classifiers.verdict import Finding, PrincipleFinding, Verdict
from tests.unit.classifiers.writing import HEAD, constitution, principle, written

GOOD = """{violates: [{request: a, answer: b}, {request: c, answer: d}],
               complies: [{request: e, answer: f}, {request: g, answer: h}]}"""


def said(tmp_path: Path, *principles: str, head: str = HEAD) -> list[str]:
    path = tmp_path / "c.yaml"
    path.write_text(written(*principles, head=head), encoding="utf-8")
    return [f"{problem.key}: {problem.message}" for problem in lint(path) if problem.key != "principles"]


def test_the_constitution_that_ships_is_clean() -> None:
    assert lint() == []


def test_what_does_not_load_is_linted_too(tmp_path: Path) -> None:
    assert said(tmp_path, principle("one", tier="x"))[0].startswith("principles[0].tier: 'x' is not known")
    assert "cannot be read" in str(lint(tmp_path / "none.yaml")[0])


def test_a_clean_principle_has_no_problem(tmp_path: Path) -> None:
    assert said(tmp_path, principle("one", "rules: [harm.gives_cyber]", examples=GOOD)) == []


@pytest.mark.parametrize(
    ("more", "keys", "expected"),
    [
        ("", {}, "principles[0].examples.violates: 0 given, at least 2 expected"),
        ("", {}, "principles[0].examples.complies: 0 given, at least 2 expected"),
        (
            "",
            {},
            "principles[0].rules: none finds harmful, and it names no heads: nobody can evaluate",
        ),
        ("evaluators: {rules: sufficient}", {}, "principles[0].evaluators.rules: `sufficient`, but no rule finds"),
        ("rules: [secrets]", {}, "principles[0].rules: one finds conduct, but harm decides this principle"),
        ("", {"scope": "request"}, "principles[0].rules: none finds a provocation"),
        ("", {"scope": "request"}, "principles[0].examples.provokes: 0 given, at least 2 expected"),
        (
            "",
            {"scope": "request", "examples": GOOD},
            "principles[0].examples.violates: a principle of scope request",
        ),
        ("unless: {model: '*'}", {}, "principles[0].unless: holds whenever the principle would apply"),
        (
            "applies_when: {model: [a, b], request_says: x}\nunless: {model: [b, a, c]}",
            {},
            "principles[0].unless: holds whenever the principle would apply",
        ),
        ("unless: [{model: a}, {model: a, request_says: x}]", {}, "principles[0].unless[1]: an earlier one"),
        (
            "rules: [{id: r, title: t, finds: harmful, reads: text, patterns: [abc], match: [x], no_match: [abc]}]",
            {},
            "principles[0].rules[0].match[0]: the rule does not find this text",
        ),
        (
            "",
            {"examples": "{violates: [{request: a, answer: b}], complies: [{request: a, answer: b}]}"},
            "principles[0].examples.complies[0]: the same exchange stands under `violates`",
        ),
    ],
)
def test_problems_of_a_principle(tmp_path: Path, more: str, keys: dict[str, str], expected: str) -> None:
    found = said(tmp_path, principle("one", more, **keys))
    assert any(line.startswith(expected) for line in found), found


def test_conditions_that_leave_room_are_fine(tmp_path: Path) -> None:
    more = "applies_when: {model: [a, b]}\nunless: {model: [b]}\nrules: [harm.gives_cyber]"
    assert said(tmp_path, principle("one", more, examples=GOOD)) == []


def test_problems_of_the_whole(tmp_path: Path) -> None:
    shared = "rules: [harm.gives_cyber]"
    found = said(
        tmp_path,
        principle("one", shared, examples=GOOD),
        principle("two", shared, examples=GOOD, title="Title of one", text="Twenty letters at  least, ABOUT one."),
        principle("three", "violated_by: over_refusal", examples=GOOD),
        head=HEAD + "facts: {clinic: {title: A clinic}}\nrules: [refusal]\n",
    )
    assert found == [
        "facts.clinic: no principle asks for it: use it in a condition or remove it",
        "principles[1].title: is the same as that of 'one': make one of the two",
        "principles[1].text: is the same as that of 'one': make one of the two",
        "principles[1].rules: harm.gives_cyber already finds violations of 'one': one match would count as two",
        "principles[2].violated_by: needs top-level rules that find refusal, and ones that find benign",
    ]


def test_three_principles_are_few(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(written(principle("one")), encoding="utf-8")
    assert any(problem.message.startswith("1 given; 10 to 20") for problem in lint(path))


def test_no_example_of_the_default_fails_and_every_violation_is_found() -> None:
    law = default()
    results = examples.test(law, RulesClassifier(law))
    assert [result for result in results if result.outcome is Outcome.FAILED] == []
    assert {r.outcome for r in results if r.kind is not Kind.COMPLIES} == {Outcome.PASSED}
    assert {r.principle for r in results} == {found.id for found in law.principles}


class Says:
    """A classifier that has one answer."""

    def __init__(self, found: tuple[PrincipleFinding, ...] = (), provocations: tuple[str, ...] = ()) -> None:
        self._verdict = Verdict(found, "h", {}, provocations)

    def classify(self, exchanges: object) -> list[Verdict]:
        assert isinstance(exchanges, list)
        assert all(isinstance(exchange, Exchange) for exchange in exchanges)
        return [self._verdict for _ in exchanges]


VIOLATES = (PrincipleFinding("one", Finding.VIOLATES, 0.9, "x", "r"),)
UPHOLDS = (PrincipleFinding("one", Finding.UPHOLDS, 0.1, "x"),)
UNKNOWN = (PrincipleFinding("one", Finding.NOT_EVALUATED),)


@pytest.mark.parametrize(
    ("classifier", "outcomes"),
    [
        (Says(VIOLATES), ["passed", "failed", "failed"]),
        (Says(UPHOLDS), ["failed", "passed", "not evaluated"]),
        (Says(UPHOLDS, ("one",)), ["failed", "passed", "passed"]),
        (Says(UNKNOWN), ["not evaluated", "not evaluated", "not evaluated"]),
        (Says(), ["failed", "passed", "not evaluated"]),
    ],
)
def test_an_example_passes_fails_or_is_not_evaluated(classifier: Says, outcomes: list[str]) -> None:
    each = "[{request: a, answer: b}]"
    law = constitution(principle("one", examples=f"{{violates: {each}, complies: {each}, provokes: {each}}}"))
    assert [str(result.outcome) for result in examples.test(law, classifier)] == outcomes
