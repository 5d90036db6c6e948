"""The two panels that the dashboards' own run cannot show: a relay to Kafka, and alarms after weeks."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.telemetry.exposition import Exposition
from tests.integration.controller.test_levels import BOTH, Watched
from tests.support.components import ComponentUse, requires
from tests.support.grafana import boards
from tests.support.grafana.table import ELSEWHERE
from tests.support.kafka import KafkaBroker
from tests.support.people import question
from tests.support.prometheus import Prometheus, prometheus
from tests.support.rollouts import MODEL
from tests.support.simulated import simulated
from tests.support.stack import Stack
from tests.support.wait import until

RELAYED: tuple[Stream, ...] = ("verdicts", "feedback", "decisions", "audit")
LEVELS, RELAY = ("tipstaff-violations", "Level alarms"), ("tipstaff-pipeline", "Relay to Kafka")
_WEEK = 8 * 24


def queries(panel: tuple[str, str]) -> list[str]:
    """What the committed panel asks, of the last minute."""
    (found,) = (each for each in boards.shown() if each.name == panel)
    return [boards.substituted(expression, 60) for expression, _ in found.queries]


def oldest(folder: Path) -> float:
    """When the oldest event was recorded that a relay takes; Unix time."""
    with closing(SqliteEventLog(DataFolder(folder).log, None, SystemClock())) as log:
        return min(entry.time_us for stream in RELAYED for entry in log.read(stream, {}, 1000).entries) / 1e6


@contextmanager
def scraped(exposition: Exposition) -> Iterator[str]:
    """Its host and port, with /metrics."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, kind = exposition.render(self.headers.get("accept", ""))
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Prometheus says what it got."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_nothing_else_is_elsewhere() -> None:
    assert set(ELSEWHERE) == {LEVELS, RELAY}


@requires("prometheus")
@pytest.mark.timeout(300)
def test_the_relays_panel(components: ComponentUse, own_broker: KafkaBroker, tmp_path: Path) -> None:
    lag, errors = queries(RELAY)
    with simulated("acme/v1") as (stable,):
        models = {"assistant": {"arms": {"stable": {"endpoints": [stable.url]}}}}
        events = {"source": "here", "kafka": {"bootstrap": own_broker.bootstrap, "prefix": "panel."}}
        stack = Stack(tmp_path, models, scoring={"encoder": "none"}, events=events)
        with stack, prometheus(components.path("prometheus"), f"127.0.0.1:{stack.admin_port}", tmp_path) as server:
            stack.client.post("/v1/chat/completions", json=question("assistant")).raise_for_status()
            until(lambda: _behind(server, lag), 60, "the relay is behind, and says so", 0.2)
            now = server.last_scrape()
            (behind,) = [value for _, value in server.query(lag, now)]
            assert behind == pytest.approx(now - oldest(stack.data), abs=3), "as the event log has it"
            until(lambda: [kind for kind, value in server.query(errors) if value > 0], 60, "tries fail", 0.2)
            assert {labels["kind"] for labels, _ in server.query(errors)} == {"no_answer"}
            own_broker.start()
            own_broker.wait_ready()
            until(lambda: [value for _, value in server.query(lag)] == [0], 90, "all is relayed", 0.2)


def _behind(server: Prometheus, lag: str) -> bool:
    return any(value > 5 for _, value in server.query(lag))


@requires("prometheus")
def test_the_panel_of_level_alarms(components: ComponentUse, tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    with closing(watched.controller):
        watched.hours(_WEEK)
        watched.usual(0.2)
        watched.hours(24)
        watched.levels.acknowledge(MODEL, "stable", "privacy")
        raised = {
            (each.model, each.arm, each.principle): float(each.raised_us > 0) for each in watched.levels.shown()
        }
        assert raised.keys() == BOTH
        assert sorted(raised.values()) == [0, 1]
        with (
            scraped(watched.controller.exposition) as target,
            prometheus(components.path("prometheus"), target, tmp_path) as server,
        ):
            (expression,) = queries(LEVELS)
            shown = {
                (labels["model"], labels["arm"], labels["principle"]): value
                for labels, value in server.query(expression)
            }
            assert shown == raised
