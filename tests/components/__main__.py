"""`python3 -m tests.components [NAME ...]`: one line per component, exit code 0 whatever is missing.

Exit code 1 with --strict when one is missing, 2 when a name is unknown.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from tests.components.catalogue import COMPONENTS, component
from tests.components.component import Component, Missing, Outcome
from tests.components.reasons import forget, remember


def ensure(wanted: Component) -> Outcome:
    """Installs `wanted` unless it is there."""
    found = wanted.find()
    if found:
        forget(wanted.name)
        return Outcome(wanted.name, "present", str(found))
    print(f"{wanted.name:<12} installing ...", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        wanted.install()
    except Missing as reason:
        remember(wanted.name, str(reason))
        return Outcome(wanted.name, "missing", str(reason))
    forget(wanted.name)
    return Outcome(wanted.name, "installed", f"{wanted.find()} in {time.monotonic() - started:.0f} s")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.components", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; all when left out")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when one is missing")
    options = parser.parse_args(arguments)
    try:
        wanted = [component(name) for name in options.names] or list(COMPONENTS)
    except KeyError as unknown:
        parser.error(str(unknown.args[0]))
    missing = [each for each in wanted if _report(ensure(each)).state == "missing"]
    return 1 if options.strict and missing else 0


def _report(outcome: Outcome) -> Outcome:
    print(outcome, flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
