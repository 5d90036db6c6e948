"""What is measured, and its control: tipstaff's proxy and nginx, each on the same core before the same upstream."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.core.routing import ArmShare, ModelRoute, RoutingTable
from gateway.tablefile import write_table
from tests.benchmarks.procs import LOAD_CORE, PROXY_CORE, running
from tests.support.ports import free_port

MODEL = "assistant"
ANSWER = msgspec.json.encode(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "word " * 60}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 60, "total_tokens": 80},
    }
)


class Target(msgspec.Struct, frozen=True):
    """A server under measurement."""

    name: str
    port: int
    pid: int


@contextmanager
def static_upstream(folder: Path) -> Iterator[int]:
    """An nginx that answers every request with one chat completion. Yields its port."""
    port = free_port()
    body = f"default_type application/json; return 200 '{ANSWER.decode()}';"
    with _nginx(folder / "upstream", port, LOAD_CORE, f"location / {{ {body} }}"):
        yield port


@contextmanager
def nginx_proxy(folder: Path, upstream: int) -> Iterator[Target]:
    """The control: an nginx with a keep-alive pool, streaming unbuffered, no access log."""
    port = free_port()
    location = (
        "location / { proxy_pass http://arm; proxy_http_version 1.1; proxy_set_header Connection ''; "
        "proxy_buffering off; }"
    )
    pool = f"upstream arm {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000; }}"
    with _nginx(folder / "nginx", port, PROXY_CORE, location, pool) as pid:
        yield Target("nginx", port, pid)


@contextmanager
def tipstaff_proxy(
    folder: Path, upstream: int, more: str = "", module: str = "gateway.cli", name: str = "tipstaff"
) -> Iterator[Target]:
    """The data plane alone, as one pod runs it: assignment 10 %, tap, durable log and metrics on.

    `more`: further lines of its configuration; `module`: what is run in the place of the command line.
    """
    port, admin = free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    arms = f"stable: {{endpoints: ['http://127.0.0.1:{upstream}']}}"
    canary = f"canary: {{endpoints: ['http://127.0.0.1:{upstream}'], weight: 10}}"
    config.write_text(
        f"listen: 127.0.0.1:{port}\nadmin: 127.0.0.1:{admin}\ndata: {folder / 'data'}\n"
        f"models: {{{MODEL}: {{unit: ['header:x-user-id'], arms: {{{arms}, {canary}}}}}}}\n"
        f"{more}\n"
    )
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    shares = (ArmShare("stable", 0.9), ArmShare("canary", 0.1))
    route = ModelRoute(b"benchmark", shares, "config", 0)
    write_table(folder / "data" / "table.json", RoutingTable("benchmark", 1, 1, {MODEL: route}))
    command = [sys.executable, "-m", module, "proxy", str(config)]
    with running(command, PROXY_CORE, port, folder / "proxy.log") as pid:
        yield Target(name, port, pid)


@contextmanager
def passing_proxy(folder: Path, upstream: int) -> Iterator[Target]:
    """An event loop that passes bytes on and does nothing else: the least that any proxy on it can cost."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.passing", str(port), str(upstream)]
    with running(command, PROXY_CORE, port, folder / "passing.log") as pid:
        yield Target("passing", port, pid)


@contextmanager
def _nginx(folder: Path, port: int, core: int, location: str, http: str = "") -> Iterator[int]:
    folder.mkdir(parents=True, exist_ok=True)
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; error_log {folder}/error.log; pid {folder}/pid; user root;\n"
        f"worker_rlimit_nofile 20000; events {{ worker_connections 16384; }}\n"
        f"http {{ access_log off; {temporary} keepalive_requests 100000000; keepalive_timeout 600; {http}\n"
        f"server {{ listen 127.0.0.1:{port} backlog=4096; {location} }} }}\n"
    )
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with running(command, core, port, folder / "out.log") as pid:
        yield pid
