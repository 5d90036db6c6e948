"""`make statistics`: measures what docs/statistics.md promises and prints it as a table.

`--only G1 G3` measures some of them, `--runs` sets how many runs a false-alarm rate rests on.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from time import monotonic

from tests.statistics import (
    arrivals,
    detection,
    errors,
    excess,
    labels,
    level,
    mismatch,
    ramps,
)
from tests.statistics.table import Row, header, line

_PARTS: dict[str, tuple[Callable[[int, int], Iterable[Row]], float]] = {
    "G1": (errors.measure, 1.0),
    "G2": (ramps.measure, 1.0),
    "G3": (detection.measure, 0.2),
    "G4": (mismatch.measure, 1.0),
    "G5": (labels.measure, 0.2),
    "G7": (excess.measure, 0.1),
    "G8": (arrivals.measure, 0.005),
    "level": (level.measure, 0.1),
}
"""Name -> how it is measured, and how much of `--runs` it takes for each row."""


def main() -> int:
    """The exit code: 1 when something misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(_PARTS), default=list(_PARTS))
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(header(), flush=True)
    missed = 0
    for name in given.only:
        measure, part = _PARTS[name]
        began = monotonic()
        for row in measure(max(round(given.runs * part), 20), given.seed):
            print(line(row), flush=True)
            missed += row.verdict == "misses"
        print(f"{name} took {monotonic() - began:.0f} s", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
