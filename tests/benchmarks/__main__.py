"""`make bench`: every figure that the design names a target for, beside its control.

`make bench ARGS="unary stream"` runs only those. Nothing here fails on a number: read the table.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import dashboard, encoder, fleet, idle, log, relay, replay, soak, stream, telemetry, unary
from tests.benchmarks.procs import pin_self
from tests.benchmarks.table import Row, show

BENCHMARKS: dict[str, Callable[[Path], list[Row]]] = {
    "unary": unary.measure,
    "stream": stream.measure,
    "idle": idle.measure,
    "log": log.measure,
    "replay": replay.measure,
    "relay": relay.measure,
    "fleet": fleet.measure,
    "dashboard": dashboard.measure,
    "encoder": encoder.measure,
    "telemetry": telemetry.measure,
    "soak": soak.measure,
}


def main(wanted: list[str]) -> int:
    """Run the benchmarks named in `wanted`, or all of them. Returns the exit code."""
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    pin_self()
    for name in wanted or BENCHMARKS:
        print(f"running {name} ...", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix=f"tipstaff-bench-{name}-") as folder:
            show(name, BENCHMARKS[name](Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
