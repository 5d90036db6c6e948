"""`tipstaff constitution lint | test`."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from classifiers.examples import Outcome, test
from classifiers.lint import lint
from gateway.app.classifier import classifier_for
from gateway.app.constitution import load_constitution
from gateway.process import Exit
from gateway.settings import ConfigError

Say = Callable[[str], None]


def run_lint(path: Path | None, say: Say) -> int:
    """Every problem of a constitution on a line of its own; exit code 2 when there is one."""
    problems = lint(path)
    for problem in problems:
        say(str(problem))
    if problems:
        return Exit.CONFIG
    constitution = load_constitution(path)
    say(f"{constitution.title}: {len(constitution.principles)} principles, no problem, {constitution.short_hash}")
    return Exit.OK


def run_test(path: Path | None, say: Say, *, as_json: bool) -> int:
    """Each example that failed or could not be judged, then the sum; exit code 1 when one failed."""
    try:
        constitution = load_constitution(path)
    except ConfigError as error:
        for problem in error.problems:
            say(problem)
        return Exit.CONFIG
    results = test(constitution, classifier_for(constitution))
    count = Counter(result.outcome for result in results)
    if as_json:
        say(msgspec.json.encode(results).decode())
    else:
        for result in results:
            if result.outcome is not Outcome.PASSED:
                say(f"{result.outcome:<13} {result.principle} {result.kind}[{result.index}]: {result.said}")
        say(", ".join(f"{count[outcome]} {outcome}" for outcome in Outcome))
    return Exit.FAILED if count[Outcome.FAILED] else Exit.OK
