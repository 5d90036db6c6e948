"""The controller as it runs: real log, real index, uvicorn on a socket, a real Prometheus."""

import asyncio
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.controller.feedback import FeedbackReader
from gateway.controller.loop import ControllerLoop
from gateway.controller.server import serve
from gateway.controller.verdicts import VerdictReader
from gateway.events.sqlite import SqliteEventLog
from gateway.process import listen
from gateway.tablefile import read_table
from gateway.telemetry import metrics
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.components import ComponentUse
from tests.support.prometheus import prometheus
from tests.support.wait import until
from tests.unit.controller.conftest import Controller
from tests.unit.controller.support import upheld, verdict_event


class Running:
    """A controller with its loop and its server, in threads of this process."""

    def __init__(self, root: Path) -> None:
        self.controller = Controller(root)
        self.controller.start()
        parts = self.controller
        self.events = SqliteEventLog(parts.data.log, "controller", parts.clock)
        self.scorer = SqliteEventLog(parts.data.log, "scorer-0", parts.clock)
        reader = VerdictReader(self.events, parts.index, parts.meters)
        feedback = FeedbackReader(self.events, parts.feedback, parts.index, parts.meters)
        self.deaths: list[BaseException] = []
        self.loop = ControllerLoop(
            (reader.step, feedback.step, lambda: parts.rollouts.advance(reader.horizon_us)),
            (reader.tick, parts.rollouts.forget_some, parts.tables.publish),
            (parts.index, parts.feedback, parts.labels),
            folder=parts.folder,
            clock=parts.clock,
            on_death=self.deaths.append,
        )
        self.listener = listen("127.0.0.1:0")
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.url = f"http://{self.address}"
        self.ready = threading.Event()
        self._server = threading.Thread(target=asyncio.run, args=(self._serve(),))

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._asyncio = asyncio.get_running_loop()
        await serve(self.controller.app, self.listener, self._stop, self.ready.set)

    def start(self) -> None:
        self.loop.start()
        self._server.start()
        assert self.ready.wait(10)

    def end_waiting(self) -> None:
        """Nobody may wait for an answer any more."""
        self._asyncio.call_soon_threadsafe(self.controller.parts.ending.set)

    def stop(self) -> None:
        self._asyncio.call_soon_threadsafe(self._stop.set)
        self._server.join(15)
        assert not self._server.is_alive()
        self.loop.close()
        self.events.close()
        self.scorer.close()
        self.controller.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    running.start()
    yield running
    running.stop()
    assert running.deaths == []


def test_whoever_follows_hears_of_a_change_and_is_let_go_at_the_end(running: Running) -> None:
    parts = running.controller
    with httpx.stream("GET", f"{running.url}/api/v1/live/stream", timeout=10) as answer:
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        first = json.loads(next(lines).removeprefix("data: "))
        parts.tables.set_weights("assistant", {"canary": 0.5}, "because")
        parts.clock.advance(1.0)
        then = json.loads(next(lines).removeprefix("data: "))
        assert (first["table_version"] + 1, then["models"][0]["arms"][1]["weight"]) == (then["table_version"], 50.0)
        assert first["marks"]["decisions"] != then["marks"]["decisions"]
        running.end_waiting()
        assert list(lines) == []


def test_a_verdict_in_the_log_is_listed_counted_and_accounted_for(running: Running) -> None:
    running.scorer.append("verdicts", [verdict_event(n, upheld("harm"), arm="canary") for n in range(3)])
    url = f"{running.url}/api/v1"
    until(lambda: len(httpx.get(f"{url}/exchanges").json()["exchanges"]) == 3, 5, "the verdicts are listed")
    (arm,) = httpx.get(f"{url}/models/assistant/rates").json()["arms"]
    assert (arm["exchanges"], arm["violating"]) == (3, 3)

    def verdicts() -> dict[str, object]:
        ledgers = httpx.get(f"{url}/ledger").json()["streams"]
        found: dict[str, object] = next(each for each in ledgers if each["stream"] == "verdicts")
        return found

    until(lambda: verdicts()["settled"], 5, "the ledger is settled")
    assert verdicts()["consumers"] == {"controller": {"delivered": 3, "spooled": 0, "lost": 0}}
    text = httpx.get(f"{running.url}/metrics").text
    assert 'tipstaff_events_delivered_total{consumer="controller",stream="verdicts"} 3.0' in text


def test_a_weight_is_in_the_proxies_file_when_the_answer_comes(running: Running) -> None:
    url = f"{running.url}/api/v1/models/assistant/weights"
    began = time.monotonic()
    answer = httpx.put(url, json={"weights": {"canary": 33}, "reason": "drill"})
    assert answer.status_code == 200, answer.text
    table = read_table(running.controller.data.table)
    assert table is not None
    assert table.models["assistant"].weight("canary") == 0.33
    assert time.monotonic() - began < 0.75, "a proxy polls every 250 ms: more would make it over a second"


def test_many_clients_at_once_never_lose_a_word(running: Running) -> None:
    """Every accepted change is one version and one decision, whoever came at the same time."""
    url = f"{running.url}/api/v1/models/assistant/weights"
    first = httpx.get(url).json()["table_version"]
    answers: list[httpx.Response] = []

    def change(weight: int) -> None:
        answers.append(httpx.put(url, json={"weights": {"canary": weight}, "reason": f"{weight}"}, timeout=30))

    threads = [threading.Thread(target=change, args=(weight,)) for weight in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = sorted(answer.json()["table_version"] for answer in answers)
    assert versions == list(range(first + 1, first + 13))
    decisions = httpx.get(f"{running.url}/api/v1/decisions").json()["decisions"]
    chained = [decision["reason"] for decision in decisions if decision["decided_by"] == "operator"]
    assert sorted(map(int, chained)) == list(range(1, 13))
    last = httpx.get(url).json()
    assert last["reason"] == chained[-1]


def test_a_foreign_host_header_is_refused_over_the_wire(running: Running) -> None:
    answer = httpx.get(f"{running.url}/api/v1/status", headers={"host": "evil.example"})
    assert answer.status_code == 403
    assert "server" not in answer.headers


def test_prometheus_scrapes_and_promtool_has_nothing_to_say(
    running: Running, components: ComponentUse, tmp_path: Path
) -> None:
    program = components.path("prometheus")
    writer = CounterFile.open(running.controller.data.counter_file("everything"))
    meters = Meters(writer)
    for metric in metrics.ALL:
        values = tuple(f'{label} "\\\n ü' for label in metric.labels)
        if metric.kind == "counter":
            meters.counter(metric, *values).inc()
        elif metric.kind == "gauge":
            meters.gauge(metric, *values).set(1)
        else:
            meters.histogram(metric, *values).observe(1)
    try:
        text = httpx.get(f"{running.url}/metrics").content
        promtool = shutil.which("promtool") or str(program.with_name("promtool"))
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, check=False, timeout=30
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
        with prometheus(program, running.address, tmp_path) as server:
            (weight,) = server.query('tipstaff_rollout_weight_ratio{model="assistant", arm="canary"}')
            assert weight[1] == 0.1
            names = {labels["__name__"] for labels, _ in server.query('{__name__=~"tipstaff_.+"}')}
            for metric in metrics.ALL:
                expected = f"{metric.name}_bucket" if metric.kind == "histogram" else metric.name
                assert expected in names
    finally:
        writer.close()
