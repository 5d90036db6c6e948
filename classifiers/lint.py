"""What is wrong with a constitution beyond its form: what never applies, cannot be judged, contradicts itself."""

from collections.abc import Callable, Iterator
from pathlib import Path

from classifiers.condition import Condition
from classifiers.constitution import Constitution, default_text, examine, read_text
from classifiers.folding import Folder
from classifiers.principle import Principle, RulesSay, Scope, ViolatedBy
from classifiers.problem import Problem, Refused
from classifiers.reader import Reader
from classifiers.rule import Finds, Rule
from classifiers.rules.matcher import Matcher

FEW, MANY = 10, 20
_DECIDED_BY = {
    ViolatedBy.HARM: frozenset({Finds.HARMFUL}),
    ViolatedBy.CONDUCT: frozenset({Finds.CONDUCT}),
    ViolatedBy.OVER_REFUSAL: frozenset[Finds](),
}
Found = Iterator[tuple[str, str]]


def lint(path: Path | None = None) -> list[Problem]:
    """Every problem of a constitution, those that keep it from loading first of all; None: the one that ships."""
    try:
        text, file = (
            (default_text(), "classifiers/constitution.yaml") if path is None else (read_text(path), str(path))
        )
        constitution, reader = examine(text, file)
    except Refused as refused:
        return list(refused.problems)
    if constitution is not None:
        _check(constitution, reader)
    return sorted(reader.problems)


def _check(constitution: Constitution, reader: Reader) -> None:
    whole: tuple[Callable[[Constitution], Found], ...] = (_size, _facts, _twins, _shared_rules, _whole_rules)
    for look in whole:
        for path, message in look(constitution):
            reader.problem(path, message)
    each: tuple[Callable[[Principle], Found], ...] = (_conditions, _examples, _evaluators, _own_rules)
    for index, principle in enumerate(constitution.principles):
        for check in each:
            for key, message in check(principle):
                reader.problem(f"principles[{index}].{key}", message)


def _size(constitution: Constitution) -> Found:
    count = len(constitution.principles)
    if not FEW <= count <= MANY:
        yield "principles", f"{count} given; {FEW} to {MANY} are what people can keep in mind and audit"


def _facts(constitution: Constitution) -> Found:
    conditions = [when for found in constitution.principles for when in (*found.applies_when, *found.unless)]
    used = {fact for condition in conditions for fact in condition.stated}
    for name in constitution.facts:
        if name not in used:
            yield f"facts.{name}", "no principle asks for it: use it in a condition or remove it"


def _twins(constitution: Constitution) -> Found:
    for key in ("title", "text"):
        seen: dict[str, str] = {}
        for index, principle in enumerate(constitution.principles):
            words = " ".join(getattr(principle, key).lower().split())
            if words in seen:
                yield f"principles[{index}].{key}", f"is the same as that of {seen[words]!r}: make one of the two"
            seen.setdefault(words, principle.id)


def _shared_rules(constitution: Constitution) -> Found:
    """One answer that violates two principles by one rule is counted twice."""
    owners: dict[str, str] = {}
    places = {principle.id: index for index, principle in enumerate(constitution.principles)}
    for owner, name, rule in constitution.all_rules:
        if rule.finds in (Finds.HARMFUL, Finds.CONDUCT) and owners.setdefault(name, owner) != owner:
            message = f"{name} already finds violations of {owners[name]!r}: one match would count as two"
            yield f"principles[{places[owner]}].rules", message


def _whole_rules(constitution: Constitution) -> Found:
    finds = {rule.finds for owner, _, rule in constitution.all_rules if not owner}
    for index, principle in enumerate(constitution.principles):
        if principle.decided_by is ViolatedBy.OVER_REFUSAL and finds != {Finds.REFUSAL, Finds.BENIGN}:
            yield (
                f"principles[{index}].violated_by",
                "needs top-level rules that find refusal, and ones that find benign",
            )
    for index, rule in enumerate(constitution.rules):
        if isinstance(rule, Rule):
            yield from ((f"rules[{index}].{key}", message) for key, message in failed_tests(rule))


def _conditions(principle: Principle) -> Found:
    whens = principle.applies_when or (Condition(),)
    if all(any(_covers(wider, when) for wider in principle.unless) for when in whens):
        yield "unless", "holds whenever the principle would apply, so that it never does: narrow it"
    for key in ("applies_when", "unless"):
        conditions = getattr(principle, key)
        for index, condition in enumerate(conditions):
            if any(_covers(other, condition) for other in conditions[:index]):
                yield (
                    f"{key}[{index}]",
                    "an earlier one in this list already holds whenever this one does: remove it",
                )


def _covers(wider: Condition, narrower: Condition) -> bool:
    """True when `wider` surely holds wherever `narrower` does."""
    if wider.model == ("*",):
        wider = Condition(stated=wider.stated, system_says=wider.system_says, request_says=wider.request_says)
    for key in wider.__struct_fields__:
        wide, narrow = set(getattr(wider, key)), set(getattr(narrower, key))
        if wide and not (narrow and narrow <= wide):
            return False
    return True


def _examples(principle: Principle) -> Found:
    examples = principle.examples
    if principle.scope is Scope.REQUEST:
        if examples.violates:
            yield "examples.violates", "a principle of scope request is provoked, never violated: use `provokes`"
        if len(examples.provokes) < 2:
            yield "examples.provokes", f"{len(examples.provokes)} given, at least 2 expected: they are its tests"
    elif len(examples.violates) < 2:
        yield "examples.violates", f"{len(examples.violates)} given, at least 2 expected: they are its tests"
    if len(examples.complies) < 2:
        yield "examples.complies", f"{len(examples.complies)} given, at least 2 expected: they are its tests"
    violating = {(example.system, example.request, example.answer) for example in examples.violates}
    for index, example in enumerate(examples.complies):
        if (example.system, example.request, example.answer) in violating:
            yield f"examples.complies[{index}]", "the same exchange stands under `violates`: it cannot be both"


def _evaluators(principle: Principle) -> Found:
    finds = {rule.finds for _, _, rule in _rules_of(principle)}
    telling = _DECIDED_BY[principle.decided_by]
    for useless in sorted(finds & {Finds.HARMFUL, Finds.CONDUCT} - telling):
        yield "rules", f"one finds {useless}, but {principle.decided_by} decides this principle: it never counts"
    if principle.scope is Scope.REQUEST:
        if Finds.PROVOCATION not in finds:
            yield "rules", "none finds a provocation, so nobody can see when a request goes against it"
    elif telling and not finds & telling:
        wanted = ", ".join(sorted(telling))
        if principle.evaluators.rules is RulesSay.SUFFICIENT:
            yield "evaluators.rules", f"`sufficient`, but no rule finds {wanted}: every answer would uphold it"
        elif not principle.heads:
            yield "rules", f"none finds {wanted}, and it names no heads: nobody can evaluate this principle"


def _own_rules(principle: Principle) -> Found:
    for index, rule in enumerate(principle.rules):
        if isinstance(rule, Rule):
            yield from ((f"rules[{index}].{key}", message) for key, message in failed_tests(rule))


def failed_tests(rule: Rule) -> Found:
    """(key, message) for each of a rule's own tests that it does not pass."""
    matcher = Matcher([(rule.id, rule)], Folder())
    for index, text in enumerate(rule.match):
        if not matcher.hits(text):
            yield f"match[{index}]", "the rule does not find this text"
    for index, text in enumerate(rule.no_match):
        if matcher.hits(text):
            yield f"no_match[{index}]", "the rule finds this text"


def _rules_of(principle: Principle) -> tuple[tuple[str, str, Rule], ...]:
    return Constitution(version=1, title="one", principles=(principle,), rules=()).all_rules
