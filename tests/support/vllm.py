"""Fixtures: two real vLLM servers, started side by side, at most once in a test session."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gateway.demo.vllm import VllmOptions, VllmServer
from tests.support.collector import Collector, collector
from tests.support.components import ComponentUse
from tests.support.ports import free_port

FIRST_NAME = "acme/assistant-v1"
SECOND_NAME = "acme/assistant-v2"
SECOND_KEY = "key-of-the-second-server"
TOOLS = (
    *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
    *(
        "--structured-outputs-config",
        '{"backend": "xgrammar", "disable_any_whitespace": true}',
    ),  # a gibberish model would write only blanks
)
"""A tool that the request names is called with arguments that fit its schema, whatever the model would say."""
DEEP = ("--hf-overrides", '{"num_hidden_layers": 48}', "--load-format", "dummy")
"""The tiny model with 48 layers instead of 2, of random weights: as with a real model the engine is what takes the
time, so the front end looks at its sockets between two tokens. With 2 layers it may look again after the last token
only, and never hear that a client has left.
"""
ADAPTERS = {"acme/assistant-calm": "calm", "acme/assistant-brisk": "brisk"}


@dataclass(frozen=True, slots=True)
class Vllm:
    """A server as a test sees it; `names` are its ids under /v1/models."""

    url: str
    names: tuple[str, ...]
    api_key: str | None = None

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def counts(self) -> "VllmCounts":
        """What the server itself says of its requests, now."""
        return VllmCounts.parse(httpx.get(f"{self.url}/metrics", timeout=10).text)


@dataclass(frozen=True, slots=True)
class VllmCounts:
    """From vLLM's /metrics.

    An aborted request is one that is no longer `running` although it never `finished`, having `generated` less
    than it was asked for. (vLLM 0.32 does not count a client's departure under finished_reason="abort".)
    """

    running: float
    waiting: float
    finished: float
    generated: float

    @classmethod
    def parse(cls, text: str) -> "VllmCounts":
        """Sums each metric over its labels."""
        return cls(
            running=_total(text, "vllm:num_requests_running"),
            waiting=_total(text, "vllm:num_requests_waiting"),
            finished=_total(text, "vllm:request_success_total"),
            generated=_total(text, "vllm:generation_tokens_total"),
        )


def _total(text: str, metric: str) -> float:
    lines = (line for line in text.splitlines() if line.startswith(f"{metric}{{"))
    return sum(float(line.rsplit(maxsplit=1)[1]) for line in lines)


@pytest.fixture(scope="session")
def vllm_collector() -> Iterator[Collector]:
    """Where the first server's own spans go."""
    with collector() as made:
        yield made


@pytest.fixture(scope="session")
def vllm_pair(
    components: ComponentUse,
    lasting_processes: set[int],
    tmp_path_factory: pytest.TempPathFactory,
    vllm_collector: Collector,
) -> Iterator[tuple[Vllm, Vllm]]:
    """Two servers with one id each, `acme/assistant-v1` and `acme/assistant-v2`; the second has a deeper model and
    needs an API key, the first one traces.
    """
    logs = tmp_path_factory.mktemp("vllm")
    python, model = components.path("vllm"), components.path("tiny-model")
    servers = [VllmServer(options, python) for options in _options(model, logs, vllm_collector.url)]
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start()
            lasting_processes.add(server.pid or 0)
        for server in servers:
            server.wait_ready()
        first, second = (_seen(server.options, server.url) for server in servers)
        yield first, second


def _options(model: Path, logs: Path, traces: str) -> tuple[VllmOptions, VllmOptions]:
    first = VllmOptions(
        model=model,
        served_names=(FIRST_NAME,),
        port=free_port(),
        log=logs / "first.log",
        lora_at_runtime=True,
        extra=(*TOOLS, "--otlp-traces-endpoint", f"{traces}/v1/traces"),
        variables={"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_BSP_SCHEDULE_DELAY": "200"},
    )
    second = VllmOptions(
        model=model,
        served_names=(SECOND_NAME,),
        port=free_port(),
        log=logs / "second.log",
        api_key=SECOND_KEY,
        extra=(*TOOLS, *DEEP),
    )
    return first, second


def _seen(options: VllmOptions, url: str) -> Vllm:
    return Vllm(url, options.served_names, options.api_key)


@pytest.fixture(scope="session")
def vllm_server(vllm_pair: tuple[Vllm, Vllm]) -> Vllm:
    """The first of the pair: one id, no API key."""
    return vllm_pair[0]


@pytest.fixture
def vllm_two_names(vllm_server: Vllm, components: ComponentUse) -> Iterator[Vllm]:
    """The first server while it serves two further ids, LoRA adapters of its model: `names[1]`, `names[2]`."""
    folder = components.path("tiny-model") / "adapters"
    with httpx.Client(base_url=vllm_server.url, timeout=60) as client:
        for name, adapter in ADAPTERS.items():
            load = {"lora_name": name, "lora_path": str(folder / adapter)}
            client.post("/v1/load_lora_adapter", json=load).raise_for_status()
        try:
            yield Vllm(vllm_server.url, (*vllm_server.names, *ADAPTERS))
        finally:
            for name in ADAPTERS:
                client.post("/v1/unload_lora_adapter", json={"lora_name": name}).raise_for_status()
