"""CPU per request and added latency, at 1, 32 and 256 clients: wrk against nginx and tipstaff in turn."""

import re
import subprocess
from pathlib import Path
from statistics import median

import msgspec

from tests.benchmarks.procs import LOAD_CORE, cpu_seconds
from tests.benchmarks.servers import MODEL, Target, nginx_proxy, static_upstream, tipstaff_proxy
from tests.benchmarks.table import Row

CLIENTS = (1, 32, 256)
ROUNDS = 5
SECONDS = 3
_TARGET = 2.0
_LUA = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '%s'
local n = 0
request = function()
  n = n + 1
  wrk.headers["x-user-id"] = "user-" .. (n %% 1000)
  return wrk.format(nil, "/v1/chat/completions")
end
"""
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class Load(msgspec.Struct, frozen=True):
    """What one run of wrk saw: requests, and latency quantiles in seconds."""

    requests: int
    p50: float
    p99: float


def wrk(port: int, clients: int, script: Path, seconds: int = SECONDS) -> Load:
    """Closed-loop load with `clients` keep-alive connections. Raises when any answer was an error."""
    command = [
        "taskset",
        "-c",
        str(LOAD_CORE),
        "wrk",
        "-t1",
        f"-c{clients}",
        f"-d{seconds}s",
        "--latency",
        "--timeout",
        "30s",
    ]
    done = subprocess.run(
        [*command, "-s", str(script), f"http://127.0.0.1:{port}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 30,
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"the load saw errors:\n{done.stdout}")
    requests = re.search(r"(\d+) requests in", done.stdout)
    if requests is None:
        raise RuntimeError(f"wrk said:\n{done.stdout}")
    return Load(int(requests[1]), _latency(done.stdout, "50"), _latency(done.stdout, "99"))


def _latency(output: str, quantile: str) -> float:
    found = re.search(rf"^\s+{quantile}%\s+([\d.]+)(us|ms|s)", output, re.MULTILINE)
    return float(found[1]) * _UNITS[found[2]] if found else float("nan")


def write_script(folder: Path) -> Path:
    """The wrk script: chat completions from a thousand users."""
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Tell me of the sea. " * 10}]
    body = msgspec.json.encode({"model": MODEL, "messages": messages, "max_tokens": 60}).decode()
    script = folder / "load.lua"
    script.write_text(_LUA % body)
    return script


def measure(folder: Path) -> list[Row]:
    """Alternating rounds, so that a machine whose speed drifts shifts both sides of each pair."""
    script = write_script(folder)
    rows = []
    with (
        static_upstream(folder) as upstream,
        nginx_proxy(folder, upstream) as nginx,
        tipstaff_proxy(folder, upstream) as ours,
    ):
        for clients in CLIENTS:
            wrk(nginx.port, clients, script, 1)
            wrk(ours.port, clients, script, 1)
            rounds = [_round(nginx, ours, upstream, clients, script) for _ in range(ROUNDS)]
            rows += _rows(clients, rounds)
    return rows


class _Round(msgspec.Struct, frozen=True):
    nginx: float
    ours: float
    added_p50: float
    added_p99: float


def _round(nginx: Target, ours: Target, upstream: int, clients: int, script: Path) -> _Round:
    control, _ = timed(nginx, clients, script)
    micros, through = timed(ours, clients, script)
    direct = wrk(upstream, clients, script, 1)
    return _Round(control, micros, through.p50 - direct.p50, through.p99 - direct.p99)


def timed(target: Target, clients: int, script: Path) -> tuple[float, Load]:
    """CPU per request in microseconds, and what the load saw."""
    before = cpu_seconds(target.pid)
    load = wrk(target.port, clients, script)
    return (cpu_seconds(target.pid) - before) / load.requests * 1e6, load


def _rows(clients: int, rounds: list[_Round]) -> list[Row]:
    where = f"{clients} client{'s' if clients > 1 else ''}"
    ratio = median(each.ours / each.nginx for each in rounds)
    return [
        Row(f"CPU per request, {where}: nginx", median(each.nginx for each in rounds), "µs"),
        Row(f"CPU per request, {where}: tipstaff", median(each.ours for each in rounds), "µs"),
        Row(f"CPU per request, {where}: ratio", ratio, "x nginx", at_most=_TARGET if clients == 32 else None),
        Row(f"added latency, {where}: p50", median(each.added_p50 for each in rounds) * 1e3, "ms"),
        Row(f"added latency, {where}: p99", median(each.added_p99 for each in rounds) * 1e3, "ms"),
    ]
