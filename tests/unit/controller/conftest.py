"""A controller on a folder of its own, and a client that calls its application without a socket."""

import asyncio
import gzip
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from classifiers import constitution
from classifiers.exchange import Answer, Turn
from gateway.app.readers import Readers
from gateway.configinforce import Loading
from gateway.controller.access import Access
from gateway.controller.api import create_app
from gateway.controller.constitutions import Constitutions
from gateway.controller.evidence_history import EvidenceHistory
from gateway.controller.feedback_index import FeedbackIndex
from gateway.controller.folder_watch import FolderWatch
from gateway.controller.forgetting import UnitForgetting
from gateway.controller.history_file import open_history
from gateway.controller.index import ExchangeIndex
from gateway.controller.known_stores import KnownStores
from gateway.controller.label_correction import LabelCorrection
from gateway.controller.levels import Levels
from gateway.controller.loss_watch import LossWatch
from gateway.controller.orders import Orders
from gateway.controller.parts import ControllerParts
from gateway.controller.recovery import open_state
from gateway.controller.rereading import Rereading
from gateway.controller.rollouts import Rollouts
from gateway.controller.series import ControllerSeries
from gateway.controller.sessions import Sessions
from gateway.controller.shell import Asset, Shell
from gateway.controller.standings import Standings
from gateway.controller.statuses import Statuses
from gateway.controller.tables import RoutingTables
from gateway.controller.traffic import TrafficReader
from gateway.controller.trail import AuditTrail
from gateway.controller.weights import Wish
from gateway.core.identity import NAMELESS, Identity, Role, Tokens, digest
from gateway.curation.store import LabelStore
from gateway.datafolder import prepare
from gateway.events import ledger
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.forgetting import ForgettingFolder
from gateway.layout import DataFolder
from gateway.scoring.texts import KeptText, KeptTexts
from gateway.settings import Arm, ConfigError, Model, Scoring, Settings, UserHeader
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.exposition import Exposition
from gateway.telemetry.metrics import Meters
from tests.support.manual_clock import ManualClock
from tests.unit.controller.support import START

if TYPE_CHECKING:
    from gateway.controller.notification import LevelAlarm


TOKENS = Tokens(
    {digest("s3cret"): NAMELESS} | {digest(f"token-of-{role}"): Identity(f"{role}-1", role) for role in Role}
)

WORKERS = ("proxy-0", "scorer-0")
_PAGE, _SCRIPT = b"<!doctype html><title>a page</title>", b"alert(1)"
SHELL = Shell(
    "0123456789abcdef",
    Asset("text/html; charset=utf-8", _PAGE, gzip.compress(_PAGE)),
    {"pages/app.js": Asset("text/javascript; charset=utf-8", _SCRIPT, gzip.compress(_SCRIPT))},
)
SESSION_SECONDS = 3600


@cache
def shipped() -> constitution.Constitution:
    """The default constitution, read once."""
    return constitution.default()


def _model(*arms: str) -> Model:
    return Model(arms={arm: Arm(endpoints=("http://127.0.0.1:1",), version=f"{arm}-1") for arm in arms})


class Unchanged:
    """`gateway.controller.parts.Configuration` without files. `refused`: what a reload says."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self._loading = Loading("config.yaml", START, START)

    def settings(self) -> Settings:
        return Settings(models={"assistant": _model("stable", "canary")})

    def loading(self) -> Loading:
        return self._loading

    def reload(self) -> None:
        if self.refused:
            self._loading = Loading("config.yaml", START, START + 1, tuple(self.refused))
            raise ConfigError(self.refused)


class Controller:
    """Real parts on a folder, without the loop; `call` asks the application."""

    def __init__(self, root: Path, tokens: Tokens | None = None, users: UserHeader | None = None) -> None:
        self.data = DataFolder(root / "data")
        prepare(self.data)
        self.clock = ManualClock(START)
        self.troubles: list[str] = []
        self.configuration = Unchanged()
        self.store = open_state(self.data, self.clock)
        self.tables = RoutingTables(
            self.store, self.data, KnownStores(root / "state"), self.clock, entropy=Random(1).randbytes
        )  # a salt drawn anew would give the canary hardly any of a few users once in a while
        self.index = ExchangeIndex.open(self.data.index, self.clock)
        self.feedback = FeedbackIndex.open(self.data.feedback, self.clock)
        self.labels = LabelStore.open(self.data.labels, self.clock)
        self.texts = KeptTexts(self.data.texts, "scorer-0", self.clock, 7, 1 << 20)
        self.file = CounterFile.open(self.data.counter_file("controller"))
        self.meters = Meters(self.file)
        rules = shipped()
        models = {"assistant": _model("stable", "canary"), "org/solo": _model("stable")}
        self.told: list[LevelAlarm] = []
        self.levels = Levels(self.store, self.index, models, rules, self.clock, self.told.append)
        self.folder = FolderWatch(self.data)
        self.events = SqliteEventLog(self.data.log, "controller", self.clock)
        self.trail = AuditTrail(self.events, self.clock, self.meters)
        self.rollouts = Rollouts(self.store, self.tables, self.index, models, rules, self.clock)
        self.memory = open_history(self.data.history, self.clock)
        self.history = EvidenceHistory(self.memory, self.rollouts)
        standings = Standings(self.rollouts, self.clock)
        series = ControllerSeries(
            self.tables, self.ledgers, rules, self.levels, standings.of, dict, version="0.0.1", classifier="rules 1"
        )
        self.exposition = Exposition(self.data.counters, series)
        self.forgetting = self.made_forgetting(self.rollouts, lambda: self.horizon_us)
        self.horizon_us = 0
        statuses = Statuses(self.data.root / "status", self.clock)
        tokens = tokens or Tokens({})
        self.sessions = Sessions(self.data.sessions, tokens, self.clock, SESSION_SECONDS)
        constitutions = Constitutions(self.store, rules)
        constitutions.note(self.clock.now_us())
        readers = Readers(Scoring(encoder="none"))
        self.parts = ControllerParts(
            version="0.0.1",
            store=self.store,
            tables=self.tables,
            rollouts=self.rollouts,
            standings=standings,
            levels=self.levels,
            history=self.history,
            losses=LossWatch(self.memory, self.clock),
            orders=Orders(self.rollouts, models, rules, TrafficReader(self.index, rules, self.clock), statuses),
            models=models,
            configuration=self.configuration,
            index=self.index,
            feedback=self.feedback,
            labels=self.labels,
            corrections=LabelCorrection(self.labels, self.index, rules),
            texts=self.texts,
            constitution=rules,
            constitutions=constitutions,
            rereading=Rereading(self.index.find, self.texts.get, rules, readers, self.clock),
            statuses=statuses,
            ledgers=self.ledgers,
            exposition=self.exposition,
            healthy=lambda: self.troubles,
            folder=self.folder,
            access=Access(tokens, self.sessions, users),
            trail=self.trail,
            forgetting=self.forgetting,
            unit_key=lambda: "0f1e2d3c4b5a6978",
            ending=asyncio.Event(),
            meters=self.meters,
            clock=self.clock,
        )
        self.app = create_app(self.parts, SHELL)

    def made_forgetting(self, rollouts: Rollouts, horizon_us: Callable[[], int]) -> UnitForgetting:
        return UnitForgetting(
            ForgettingFolder(self.data),
            store=self.store,
            index=self.index,
            labels=self.labels,
            rollouts=rollouts,
            levels=self.levels,
            trail=self.trail,
            clock=self.clock,
            unit_keys=lambda: (b"k" * 32,),
            missing_keys=list,
            workers=WORKERS,
            horizon_us=horizon_us,
        )

    def ledgers(self) -> dict[Stream, ledger.Ledger]:
        return ledger.read(self.data.log, self.data.counters, {"verdicts": frozenset({"controller"})})

    def start(self) -> None:
        wishes = {"assistant": Wish(("stable", "canary"), {"canary": 0.1}), "org/solo": Wish(("stable",), {})}
        self.tables.start(wishes)

    def call(self, method: str, path: str, *, peer: str = "127.0.0.1", **more: Any) -> httpx.Response:  # noqa: ANN401
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(peer, 4711), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9191") as client:
                return await client.request(method, path, **more)

        return asyncio.run(ask())

    def get(self, path: str, **more: Any) -> Any:  # noqa: ANN401 - JSON
        answer = self.call("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self) -> None:
        self.texts.close()
        self.events.close()
        self.index.close()
        self.feedback.close()
        self.labels.close()
        self.memory.close()
        self.store.close()
        self.file.close()


def kept_text(exchange_id: str) -> KeptText:
    return KeptText(exchange_id, "assistant", (Turn("user", "hello [email]"),), (Answer("hi there"),))


def write_status(controller: Controller, status: msgspec.Struct, name: str) -> None:
    path = controller.data.status(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(status))


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    controller = Controller(tmp_path)
    controller.start()
    yield controller
    controller.close()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Controller]:
    """One with a token for each role, and the one of nobody by name."""
    controller = Controller(tmp_path, TOKENS)
    controller.start()
    yield controller
    controller.close()
