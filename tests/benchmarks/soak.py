"""Ten minutes of load: memory must not grow. The slope comes with its 95 % interval."""

import subprocess
import threading
import time
from itertools import pairwise
from math import sqrt
from pathlib import Path

from tests.benchmarks.procs import LOAD_CORE, resident_bytes
from tests.benchmarks.servers import static_upstream, tipstaff_proxy
from tests.benchmarks.table import Row
from tests.benchmarks.unary import write_script

MINUTES = 10
_SETTLED = 120
_EVERY = 5.0
_CLIENTS = 32


def measure(folder: Path) -> list[Row]:
    """RSS each 5 seconds; growth and slope are taken from minute 2 on, once pools and caches are warm."""
    script = write_script(folder)
    with static_upstream(folder) as upstream, tipstaff_proxy(folder, upstream) as ours:
        command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{_CLIENTS}", f"-d{MINUTES * 60}s"]
        load = subprocess.Popen(
            [*command, "-s", str(script), f"http://127.0.0.1:{ours.port}"], stdout=subprocess.PIPE, text=True
        )
        try:
            samples = _sample(ours.pid, MINUTES * 60)
        finally:
            load.terminate()
            load.communicate(timeout=30)
    late = [(second, rss) for second, rss in samples if second >= _SETTLED]
    slope, half = slope_interval(late)
    return [
        Row("RSS at minute 2", late[0][1] / 1e6, "MB"),
        Row("growth of RSS from minute 2 to 10", (late[-1][1] - late[0][1]) / 1e6, "MB", at_most=5.0),
        Row("slope of RSS", slope * 60 / 1e6, "MB/min"),
        Row("slope's 95 % interval, lower end", (slope - half) * 60 / 1e6, "MB/min", at_most=0.0),
        Row("slope's 95 % interval, upper end", (slope + half) * 60 / 1e6, "MB/min"),
    ]


def _sample(pid: int, seconds: int) -> list[tuple[float, int]]:
    start = time.monotonic()
    pause = threading.Event()
    samples = []
    while (elapsed := time.monotonic() - start) < seconds:
        samples.append((elapsed, resident_bytes(pid)))
        pause.wait(_EVERY)
    return samples


def slope_interval(samples: list[tuple[float, int]]) -> tuple[float, float]:
    """Least-squares slope in bytes per second and half the width of its 95 % interval.

    Neighbouring samples are alike, so the interval uses the effective number of samples,
    n (1 - r) / (1 + r) with r the residuals' lag-1 correlation (Bartlett 1946, DOI 10.2307/2983611).
    """
    n = len(samples)
    mean_x = sum(x for x, _ in samples) / n
    mean_y = sum(y for _, y in samples) / n
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread
    residuals = [y - mean_y - slope * (x - mean_x) for x, y in samples]
    total = sum(each * each for each in residuals)
    if total == 0:
        return slope, 0.0
    correlation = sum(a * b for a, b in pairwise(residuals)) / total
    r = min(max(correlation, 0.0), 0.99)
    effective = max(n * (1 - r) / (1 + r), 3.0)
    error = sqrt(total / (effective - 2) / (spread * effective / n))
    return slope, 1.96 * error
