"""A run in which every panel has something to show, and two moments of it between which everything is counted."""

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
import msgspec

from gateway.demo.behaviour import Behaviour
from gateway.demo.wording import prompts
from gateway.events.schema import Stream
from gateway.ports import Positions
from gateway.telemetry.metrics import SPANS_DROPPED, SPANS_EXPORTED, SPANS_STARTED
from tests.support.collector import Collector, collector
from tests.support.faulty import FAIL, HOLD, RESET, Faulty, faulty
from tests.support.grafana.account import Account, Books, Everything, Others
from tests.support.ports import free_port
from tests.support.prometheus import Prometheus, prometheus
from tests.support.simulated import simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

BEHAVIOUR = Behaviour(leaking=0.15, faulty=0.3, over_refusing=0.1, complying=0.5, first_token=0.002, token=0.0005)
"""The same on both arms, so that no rule ends the rollout meanwhile."""
PLAN: dict[str, Any] = {
    "preset": "fast",
    "stages": [50],
    "dwell": 3600,
    "period": 1,
    "minimum_units": 5,
    "alpha": 1e-6,
    "alarm_alpha": 1e-6,
    "harm_budget": 1000,
    "guardrails": [
        {"metric": "harm", "margin": 0.3, "weight": 5, "promotes": True},
        {"metric": "over_refusal", "margin": 0.3, "promotes": True},
        {"metric": "helpfulness", "margin": 0.3},
    ],
}
SILENT_CONNECTIONS = 3
WAITING = 5
UNREADABLE = 10
"""After every so many questions one that the model's server refuses: of what it says then nothing is evaluated."""
REFUSED = 7
"""Exchanges whose spans the collector does not take."""
UNHEARD = ("wait", "approve", "weights")
"""Kinds of decisions that a receiver of `notify` isn't told of unless it asks."""


class Moment(msgspec.Struct, frozen=True):
    """`at`: when the newest samples were taken, Unix time. What the log got before, who had seen what by then."""

    at: float
    events: Everything
    ends: dict[Stream, Positions]
    told: int
    spans: int
    rejected: Counter[str]
    refused: Counter[str]


class Run:
    """A gateway with three models: a rollout, an arm that is not there and fails over, a server that goes wrong."""

    def __init__(self, stack: Stack, server: Prometheus, faults: Faulty, spans: Collector) -> None:
        self.stack = stack
        self.server = server
        self.busy_at = 0.0
        """A moment at which a request and connections were open, and the scorer was paused."""
        self.waiting = 0
        """Exchanges that had no verdict then."""
        self._faults = faults
        self._collector = spans
        self._refused_spans = 0
        self._books = Books(stack.data)
        self._number = 0
        self._rejected: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    def account(self) -> tuple[Account, float, float]:
        """Lives through it; returns what happened between two moments, and the moments."""
        self.ask(60)
        self.be_unreadable(30)
        first = self.moment()
        killed = self.stack.kill("scorer-0")
        self.ask(160)
        until(lambda: self.stack.restarted("scorer-0", killed), 60, "the scorer is started again")
        self.be_busy()
        self.be_refused()
        self.quiet()
        done = self.say("freeze")
        assert done.returncode == 0, done.stderr
        until(lambda: self._rollout()["why"].startswith("frozen"), 20, "it waits", 0.1)
        last = self.moment(first)
        others = Others(
            rejected=last.rejected - first.rejected,
            refused=last.refused - first.refused,
            killed={"scorer-0": 1},
            told=last.told - first.told,
            spans=last.spans - first.spans,
            spans_refused=self._refused_spans,
            waiting=self.waiting,
            connections=SILENT_CONNECTIONS + 1,
            alive=frozenset({"supervisor", *self.stack.processes()}),
        )
        texts = self._books.texts_of(last.events)
        account = Account(last.at - first.at, last.at, first.events, last.events, texts, others)
        self._books.close()
        return account, first.at, last.at

    def ask(self, count: int) -> None:
        """That many questions, and one of each thing that goes wrong."""
        asked = [*prompts(unsafe=False), *prompts(unsafe=True)]
        with httpx.Client(base_url=self.stack.url, timeout=60) as client:
            for _ in range(count):
                self._number += 1
                words = asked[self._number * 7 % len(asked)]
                self._post(client, "assistant", words, stream=self._number % 2 == 0).raise_for_status()
                if self._number % UNREADABLE == 0:
                    self.be_unreadable(1)
            assert self._post(client, "spare", asked[0]).status_code == 200
            assert self._post(client, "faulty", RESET).status_code == 502
            assert self._post(client, "faulty", FAIL).status_code == 500
            self._post(client, "assistant", asked[0], messages=[]).raise_for_status()
            self._rejected[self._post(client, "nobody", "hello").json()["error"]["code"]] += 1
        answer = self.stack.admin.post("/api/v1/weights", content=b"x", headers={"content-type": "text/plain"})
        assert answer.status_code == 415
        self._refused["not_json"] += 1

    def be_unreadable(self, count: int) -> None:
        """So many questions that the model's server refuses: on both arms, whoever is dealt where, so that what is
        counted of them has begun before the first moment.
        """
        with httpx.Client(base_url=self.stack.url, timeout=60) as client:
            for _ in range(count):
                self._number += 1
                assert self._post(client, "assistant", "", messages="none").status_code == 400

    def _post(self, client: httpx.Client, model: str, words: str, **more: object) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": words}], "seed": self._number, **more}
        user = {"x-user-id": f"user-{self._number}"}
        return client.post("/v1/chat/completions", json=body, headers=user)

    def be_busy(self) -> None:
        """A request and some connections are open, and the scorer is paused, while Prometheus looks."""
        scorer = self.stack.pid("scorer-0")
        with httpx.Client(base_url=self.stack.url, timeout=60) as client, ExitStack() as open_now:
            os.kill(scorer, signal.SIGSTOP)
            open_now.callback(os.kill, scorer, signal.SIGCONT)
            for number in range(WAITING):
                self._post(client, "assistant", f"unheard-of {number}").raise_for_status()
            asking = threading.Thread(target=self._post, args=(client, "faulty", HOLD))
            asking.start()
            open_now.callback(asking.join)
            open_now.callback(self._faults.let_go.set)
            for _ in range(SILENT_CONNECTIONS):
                open_now.enter_context(socket.create_connection(("127.0.0.1", self.stack.port)))
            until(self._faults.holding.is_set, 30, "the request is under way")
            until(lambda: self.stack.metric("tipstaff_connections") == SILENT_CONNECTIONS + 1, 30, "they are open")
            self.busy_at = self.scraped()
            events, _ = self._books.read({})
            self.waiting = len(events["exchanges"]) - len(events["verdicts"])

    def be_refused(self) -> None:
        """The collector takes nothing for a moment: just the spans of what is asked meanwhile are lost."""
        self.stack.settled()
        asked = len(self._books.read({})[0]["exchanges"])
        until(lambda: self._spans() >= asked and self._spans_are_told(), 30, "spans are told", 0.1)
        before = self.stack.metric(SPANS_DROPPED.name)
        self._collector.status = 400
        with httpx.Client(base_url=self.stack.url, timeout=60) as client:
            for number in range(REFUSED):
                self._post(client, "assistant", f"untold {number}").raise_for_status()
        self._refused_spans = REFUSED
        until(lambda: self.stack.metric(SPANS_DROPPED.name) - before >= REFUSED, 30, "they are refused", 0.1)
        self._collector.status = 200

    def say(self, word: str) -> CompletedProcess[str]:
        """To the rollout."""
        admin = ("--admin", f"127.0.0.1:{self.stack.admin_port}")
        return tipstaff("rollout", word, "assistant", "--reason", "a test", *admin)

    def quiet(self) -> None:
        """Wait until every period of a unit is closed, so that no evidence grows any more."""
        self.stack.settled()
        newest = max(each["time"] for each in self.stack.exchanges(model="assistant", limit="500"))
        until(lambda: _seconds(self._rollout()["as_of"]) > _seconds(newest) + 5, 60, "time goes on", 0.2)
        self.stack.settled()

    def _rollout(self) -> dict[str, Any]:
        found: dict[str, Any] = self.stack.admin.get("/api/v1/models/assistant/rollout").raise_for_status().json()
        return found

    def moment(self, earlier: Moment | None = None) -> Moment:
        """Now, once everything is recorded, scored, told and scraped, with what the log got since `earlier`."""
        after = {} if earlier is None else earlier.ends
        while True:
            self.stack.settled()
            until(lambda: self._all_is_told(self._books.read(after)[0], earlier), 30, "others are told", 0.1)
            events, ends = self._books.read(after)
            at = self.scraped()
            if not any(self._books.read(ends)[0].values()):  # else a process wrote what it had noted before
                break
        seen = (self._told(), self._spans(), self._rejected.copy(), self._refused.copy())
        return Moment(at, events, ends, *seen)

    def _all_is_told(self, events: Everything, earlier: Moment | None) -> bool:
        told, spans = (0, 0) if earlier is None else (earlier.told, earlier.spans)
        worth = [each for each in events["decisions"] if getattr(each, "kind", "") not in UNHEARD]
        return (
            self._told() - told == len(worth)
            and self._spans() - spans + self._refused_spans >= len(events["exchanges"])
            and self._spans_are_told()
        )

    def _spans_are_told(self) -> bool:
        """None waits: the collector has taken it or refused it."""
        ended = sum(self.stack.metric(each.name) for each in (SPANS_EXPORTED, SPANS_DROPPED))
        return self.stack.metric(SPANS_STARTED.name) == ended

    def scraped(self) -> float:
        """When Prometheus took its newest samples, all of them after now."""
        before = self.server.last_scrape()
        until(lambda: self.server.last_scrape() > before, 20, "a scrape that may have begun before", 0.1)
        second = self.server.last_scrape()
        until(lambda: self.server.last_scrape() > second, 20, "a scrape", 0.1)
        return self.server.last_scrape()

    def _told(self) -> int:
        return len(self._faults.told)

    def _spans(self) -> int:
        """How many the collector has."""
        return len(self._collector.spans)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


@contextmanager
def run(folder: Path, program: Path) -> Iterator[Run]:
    """A gateway, its models, whoever is told, and Prometheus (`program`), which watches from the beginning."""
    with simulated("v1", "v2", "v3", behaviour=BEHAVIOUR) as servers, faulty() as faults, collector() as spans:
        (folder / "receiver").write_text(f"{faults.url}/told")
        stack = Stack(
            folder,
            _models([server.url for server in servers], faults.url),
            scoring={"encoder": "none"},
            notify=[{"url_file": str(folder / "receiver")}],
            traces={"endpoint": spans.url},
            environment={"no_proxy": "127.0.0.1"},
        )
        with stack, prometheus(program, f"127.0.0.1:{stack.admin_port}", folder) as server:
            yield Run(stack, server, faults, spans)


def _models(urls: list[str], faults: str) -> dict[str, Any]:
    stable, canary, backup = urls
    unit = ["header:x-user-id"]
    nobody = f"http://127.0.0.1:{free_port()}"
    arms = {"stable": {"endpoints": [stable], "version": "1"}, "canary": {"endpoints": [canary], "version": "2"}}
    away = {"away": {"endpoints": [nobody], "fail_over": "backup"}, "backup": {"endpoints": [backup], "weight": 0}}
    return {
        "assistant": {"unit": unit, "arms": arms, "rollout": {"to": "canary", "plan": PLAN}},
        "spare": {"unit": unit, "arms": away},
        "faulty": {"unit": unit, "arms": {"only": {"endpoints": [faults]}}},
    }
