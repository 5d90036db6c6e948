"""What being seen costs: metrics and traces, each beside a gateway without; a scrape of a thousand series."""

import os
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from gateway.core.exchange import Reason, Route
from gateway.telemetry import metrics
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.exposition import Exposition
from gateway.telemetry.metrics import Meters
from tests.benchmarks.procs import cpu_seconds
from tests.benchmarks.servers import MODEL, Target, static_upstream, tipstaff_proxy
from tests.benchmarks.table import Row
from tests.benchmarks.unary import timed, write_script, wrk
from tests.support.collector import collector
from tests.support.stack import Stack

CLIENTS = 32
ROUNDS = 3
_INSTANCES = 4
_SCORING_ROUNDS = 3
_SERIES = 1000
_METRICS, _UNSAMPLED, _SCRAPE_MS = 1.08, 1.10, 20.0
_PLAIN, _BARE = "metrics, no traces", "no metrics"
_SHARES = {"traces, unsampled": 0.0, "traces, 1 % sampled": 0.01, "traces, 100 % sampled": 1.0}


def measure(folder: Path) -> list[Row]:
    """The data plane first, then the scorer, which is what makes spans, then a scrape."""
    script = write_script(folder)
    with static_upstream(folder) as upstream, collector() as to:
        rows = _in_the_proxy(folder, upstream, to.url, script)
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # whole gateways share the machine with their load
        return [*rows, *_in_the_scorer(folder, upstream, to.url, script), _scrape(folder)]


def _in_the_proxy(folder: Path, upstream: int, url: str, script: Path) -> list[Row]:
    """All of them at once, one after another, so that a machine whose speed drifts shifts all alike; and processes
    begun anew, since two of the same differ by up to 5 %.
    """
    rounds = [
        each
        for number in range(_INSTANCES)
        for each in _rounds(folder / str(number), upstream, url, script, Random(number))
    ]
    names = [_BARE, _PLAIN, *_SHARES]
    rows = [Row(f"CPU of the proxy per request: {name}", _median(rounds, name), "µs") for name in names]
    rows.append(Row("metrics", _ratio(rounds, _PLAIN, _BARE), f"x {_BARE}", at_most=_METRICS))
    for name, share in _SHARES.items():
        at_most = None if share else _UNSAMPLED
        rows.append(Row(name, _ratio(rounds, name, _PLAIN), f"x {_PLAIN}", at_most=at_most))
    return rows


def _rounds(folder: Path, upstream: int, url: str, script: Path, order: Random) -> list[dict[str, float]]:
    with ExitStack() as stack:
        start = stack.enter_context
        targets: dict[str, Target] = {
            _BARE: start(tipstaff_proxy(folder / "bare", upstream, module="tests.benchmarks.bare_proxy")),
            _PLAIN: start(tipstaff_proxy(folder / "plain", upstream)),
        }
        for name, share in _SHARES.items():
            more = f"traces: {{endpoint: '{url}', sample: {share}}}"
            targets[name] = start(tipstaff_proxy(folder / name, upstream, more))
        for target in targets.values():
            wrk(target.port, CLIENTS, script, 1)
        return [_round(targets, script, order) for _ in range(ROUNDS)]


def _round(targets: dict[str, Target], script: Path, order: Random) -> dict[str, float]:
    """Each once."""
    names = order.sample(list(targets), len(targets))
    return {name: timed(targets[name], CLIENTS, script)[0] for name in names}


def _in_the_scorer(folder: Path, upstream: int, url: str, script: Path) -> list[Row]:
    """By rules alone, where a span's share is largest."""
    arms = {"stable": {"endpoints": [f"http://127.0.0.1:{upstream}"]}}
    with ExitStack() as stack:
        stacks: dict[str, Stack] = {}
        for name, share in ((_PLAIN, None), *_SHARES.items()):
            more: dict[str, Any] = {} if share is None else {"traces": {"endpoint": url, "sample": share}}
            (where := folder / "whole" / name).mkdir(parents=True)
            gateway = Stack(where, {MODEL: {"arms": arms}}, scoring={"encoder": "none"}, **more)
            stacks[name] = stack.enter_context(gateway)
        rounds = [
            {name: _scored(gateway, script) for name, gateway in stacks.items()} for _ in range(_SCORING_ROUNDS + 1)
        ][1:]
    rows = [Row(f"CPU of the scorer per exchange: {name}", _median(rounds, name), "µs") for name in stacks]
    return [*rows, *(Row(f"{name}, scorer", _ratio(rounds, name, _PLAIN), f"x {_PLAIN}") for name in _SHARES)]


def _scored(gateway: Stack, script: Path) -> float:
    """CPU per exchange, microseconds, until all of a second's load has its verdict."""
    pid = gateway.pid("scorer-0")
    before = cpu_seconds(pid)
    load = wrk(gateway.port, 4, script, 1)
    gateway.settled(120)
    return (cpu_seconds(pid) - before) / load.requests * 1e6


def _scrape(folder: Path) -> Row:
    meters = Meters(CounterFile.open(folder / "counters" / "proxy-0.bin"))
    routes = list(Route)
    for number in range(_SERIES):
        route, reason = routes[number % 4].value, list(Reason)[number % 11].value
        meters.counter(metrics.REQUESTS, f"model-{number // 44}", "stable", route, str(200 + number), reason).inc()
    exposition = Exposition(folder / "counters")
    exposition.render("")
    seconds = []
    for _ in range(50):
        began = time.perf_counter()
        exposition.render("application/openmetrics-text; version=1.0.0")
        seconds.append(time.perf_counter() - began)
    return Row(f"a scrape of {_SERIES:,} series", median(seconds) * 1e3, "ms", at_most=_SCRAPE_MS)


def _median(rounds: list[dict[str, float]], name: str) -> float:
    return median(each[name] for each in rounds)


def _ratio(rounds: list[dict[str, float]], name: str, control: str) -> float:
    return median(each[name] / each[control] for each in rounds)
