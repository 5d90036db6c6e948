"""A real Alertmanager with our example's routes, which tells a test instead of a pager and a chat."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.ports import free_port, listening
from tests.support.wait import until

EXAMPLE = Path(__file__).parents[2] / "dashboards" / "prometheus" / "alertmanager.example.yml"


class Received:
    """Every message that came, by the receiver it was for; as Alertmanager's webhook sends it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: list[tuple[str, dict[str, Any]]] = []

    def take(self, receiver: str, message: dict[str, Any]) -> None:
        """One more."""
        with self._lock:
            self._messages.append((receiver, message))

    def alerts(self, receiver: str) -> list[dict[str, Any]]:
        """All alerts in messages for `receiver` that fired."""
        with self._lock:
            told = [message for name, message in self._messages if name == receiver]
        return [alert for message in told for alert in message["alerts"] if alert["status"] == "firing"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, received: Received) -> None:
        super().__init__(("127.0.0.1", free_port()), _Post)
        self.received = received


class _Post(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert isinstance(self.server, _Server)
        self.server.received.take(self.path.strip("/"), message)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on a test's output."""


class Alertmanager:
    """`address`: host and port, for Prometheus."""

    def __init__(self, address: str, received: Received) -> None:
        self.address = address
        self.received = received

    def ready(self) -> bool:
        """Whether it takes alerts."""
        try:
            return httpx.get(f"http://{self.address}/-/ready", timeout=5).is_success
        except httpx.TransportError:
            return False  # not listening yet

    def tell(self, alerts: list[dict[str, Any]]) -> None:
        """Alerts of `labels` and `annotations`, as Prometheus would tell of them."""
        httpx.post(f"http://{self.address}/api/v2/alerts", json=alerts, timeout=5).raise_for_status()

    def states(self) -> dict[tuple[str, str], str]:
        """Each alert's state, by its name and job: `unprocessed`, `active` or `suppressed`."""
        answer = httpx.get(f"http://{self.address}/api/v2/alerts", timeout=5).raise_for_status()
        return {
            (alert["labels"]["alertname"], alert["labels"]["job"]): alert["status"]["state"]
            for alert in answer.json()
        }


@contextmanager
def alertmanager(program: Path, folder: Path) -> Iterator[Alertmanager]:
    """Runs `program` (`components.path("alertmanager")`). Yields once it takes alerts."""
    received = Received()
    with _receiving(received) as url:
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(_configuration(url)))
        address = f"127.0.0.1:{free_port()}"
        command = [
            str(program),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",  # no other one to talk to
        ]
        with (
            (folder / "alertmanager.log").open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as process,
        ):
            try:
                server = Alertmanager(address, received)
                until(server.ready, 20, "Alertmanager is ready", every=0.1)
                yield server
            finally:
                process.terminate()


@contextmanager
def _receiving(received: Received) -> Iterator[str]:
    """The address of an HTTP server that notes what is posted to it."""
    with _Server(received) as server:
        thread = threading.Thread(target=server.serve_forever, name="received", daemon=True)
        thread.start()
        try:
            until(lambda: listening(server.server_port), 10, "the receiver listens")
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)


def _configuration(url: str) -> dict[str, Any]:
    """Our example, with the test behind both receivers, and without the time that it leaves people."""
    configuration: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    for route in (configuration["route"], *configuration["route"]["routes"]):
        route.update(group_wait="1s", group_interval="1s")
    configuration["receivers"] = [
        {"name": each["name"], "webhook_configs": [{"url": f"{url}/{each['name']}"}]}
        for each in configuration["receivers"]
    ]
    return configuration
