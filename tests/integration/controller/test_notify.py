"""Notifications to a real HTTP receiver: one that is well, one that is down, slow, or wrong at first."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.controller import chain
from gateway.controller.notify import ChainHead, Notifier, Receiver, receivers
from gateway.controller.tables import RoutingTables
from gateway.controller.weights import Wish
from gateway.core.evidence import DecisionKind
from gateway.events.schema import DecisionV1, WeightChanged
from gateway.settings import ConfigError, Form, Notify
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import NOTIFICATIONS, Meters
from tests.support.wait import until
from tests.unit.controller.conftest import Controller

HEAD = "ab" * 32
SECRET = "T0-secret-path"


def decision(kind: DecisionKind = "roll_back", reason: str = "worse & <worse>") -> DecisionV1:
    weights = WeightChanged({"stable": 0.9, "canary": 0.1}, {"stable": 1.0, "canary": 0.0})
    return DecisionV1(
        "r1-4", 1_760_000_000_000_000, "assistant", "decision", "tipstaff", reason, weights, 7, "", kind, "r1", 2
    )


class Site:
    """An HTTP server on this machine. `statuses`: what it answers, the last one for ever."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.bodies: list[bytes] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked = threading.Semaphore(0)
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                site.asked.release()
                site.go_on.wait(20)
                status = site.statuses.pop(0) if len(site.statuses) > 1 else site.statuses[0]
                site.bodies.append(body)
                self.send_response(status)
                if status == 302:
                    self.send_header("location", site.url)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{SECRET}"

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Site()
    yield made
    made.close()


@pytest.fixture
def meters(tmp_path: Path) -> Iterator[Meters]:
    file = CounterFile.open(tmp_path / "controller.bin")
    yield Meters(file)
    file.close()


Make = Callable[..., Notifier]


@pytest.fixture
def make(meters: Meters) -> Iterator[Make]:
    made: list[Notifier] = []

    def _make(*urls: str, form: Form = "json", on: frozenset[DecisionKind] = frozenset({"roll_back"})) -> Notifier:
        found = [Receiver(number, url, on, form) for number, url in enumerate(urls)]
        notifier = Notifier(found, "https://tipstaff.example.org", lambda: HEAD, meters, first_pause=0.01)
        notifier.start()
        made.append(notifier)
        return notifier

    yield _make
    for each in made:
        each.close()


def count(meters: Meters, result: str, receiver: int = 0) -> float:
    return meters.counter(NOTIFICATIONS, str(receiver), result).value


def sent(meters: Meters, number: int, receiver: int = 0) -> None:
    until(lambda: count(meters, "sent", receiver) == number, 10, f"{number} notifications sent")


def test_a_decision_arrives_with_its_weights_a_link_and_the_head(site: Site, meters: Meters, make: Make) -> None:
    make(site.url).tell(decision())
    sent(meters, 1)
    body = json.loads(site.bodies[0])
    assert body["kind"] == "roll_back"
    assert body["before"] == {"stable": 90.0, "canary": 10.0}
    assert body["after"] == {"stable": 100.0, "canary": 0.0}
    assert body["link"] == "https://tipstaff.example.org/dashboard/decisions/r1-4?model=assistant"
    assert body["head"] == HEAD


def test_slack_gets_its_form_without_markup_from_a_reason(site: Site, meters: Meters, make: Make) -> None:
    make(site.url, form="slack").tell(decision())
    sent(meters, 1)
    body = json.loads(site.bodies[0])
    assert list(body) == ["text"]
    assert "worse &amp; &lt;worse&gt;" in body["text"]
    assert HEAD in body["text"]


def test_only_the_kinds_that_were_asked_for(site: Site, meters: Meters, make: Make) -> None:
    notifier = make(site.url)
    notifier.tell(decision("advance"))
    notifier.tell(decision())
    sent(meters, 1)
    assert [json.loads(body)["kind"] for body in site.bodies] == ["roll_back"]


def test_a_receiver_that_fails_at_first_is_told_again(site: Site, meters: Meters, make: Make) -> None:
    site.statuses = [500, 503, 429, 200]
    make(site.url).tell(decision())
    sent(meters, 1)
    assert len(site.bodies) == 4
    assert count(meters, "failed") == 0


@pytest.mark.parametrize("status", [404, 302])
def test_what_will_not_get_better_is_tried_once(site: Site, meters: Meters, make: Make, status: int) -> None:
    site.statuses = [status]
    make(site.url).tell(decision())
    until(lambda: count(meters, "failed") == 1, 10, "a failure is counted")
    assert len(site.bodies) == 1


def test_one_that_is_down_is_given_up_and_holds_up_no_other(site: Site, meters: Meters, make: Make) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/{SECRET}"
        with capture_logs() as logs:
            make(nobody, site.url).tell(decision())
            sent(meters, 1, receiver=1)
            until(lambda: count(meters, "failed") == 1, 10, "a failure is counted")
    assert [each["reason"] for each in logs] == ["URLError"]
    assert SECRET not in repr(logs)


def test_a_slow_one_holds_nobody_up_and_what_is_too_much_is_counted(site: Site, meters: Meters, make: Make) -> None:
    site.go_on.clear()
    notifier = make(site.url)
    notifier.tell(decision())
    assert site.asked.acquire(timeout=10)
    for _ in range(210):  # 200 can wait
        notifier.tell(decision())
    assert count(meters, "dropped") == 10
    site.go_on.set()
    sent(meters, 201)


def test_an_end_does_not_wait_for_one_that_is_down(site: Site, meters: Meters) -> None:
    site.statuses = [500]
    found = [Receiver(0, site.url, frozenset({"roll_back"}), "json")]
    notifier = Notifier(found, "", lambda: HEAD, meters, first_pause=1000.0)
    notifier.start()
    notifier.tell(decision())
    assert site.asked.acquire(timeout=10)
    notifier.close()
    until(lambda: count(meters, "failed") == 1, 5, "what waited for another try is counted as failed")


def test_the_head_is_that_of_the_newest_decision(tmp_path: Path) -> None:
    controller = Controller(tmp_path)
    controller.start()
    head = ChainHead(controller.store)
    controller.tables.set_weights("assistant", {"canary": 0.3}, "more")
    found = [made for _, made in controller.store.decisions(0, 100)]
    assert head.read() == chain.decision_hash(found[-1])
    controller.tables.set_weights("assistant", {"canary": 0.2}, "less")
    assert head.read() == chain.decision_hash(controller.store.decisions(len(found), 10)[-1][1])
    controller.close()


def test_an_operators_weights_are_told_too(site: Site, meters: Meters, make: Make, tmp_path: Path) -> None:
    notifier = make(site.url, on=frozenset({"weights"}))
    controller = Controller(tmp_path)
    tables = RoutingTables(
        controller.store, controller.data, controller.tables._known, controller.clock, on_decision=notifier.tell
    )
    tables.start({"assistant": Wish(("stable", "canary"), {"canary": 0.1})})
    tables.set_weights("assistant", {"canary": 0.3}, "more")
    sent(meters, 2)
    assert [json.loads(body)["reason"] for body in site.bodies] == ["first start with this model", "more"]
    controller.close()


def test_urls_come_from_their_files_and_are_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "hook"
    file.write_text(f"https://hooks.example.org/{SECRET}\n")
    (found,) = receivers([Notify(url_file=file)])
    assert found.url.endswith(SECRET)
    assert "wait" not in found.on
    assert "roll_back" in found.on
    assert SECRET not in repr([found])
    file.write_text(f"ftp://hooks.example.org/{SECRET}")
    with pytest.raises(ConfigError, match=r"notify\[0\].url_file") as error:
        receivers([Notify(url_file=file)])
    assert SECRET not in str(error.value)
