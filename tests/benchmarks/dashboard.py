"""How long all that a page asks for takes, with a million verdicts, labels, decisions and a rollout stored."""

import asyncio
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx

from classifiers.verdict import Clause, Finding, PrincipleFinding, Verdict, Why
from gateway.controller.decision_story import LAST
from gateway.controller.exchange_query import ExchangeFilter
from gateway.core.exchange import Reason, Route
from gateway.core.ids import exchange_id
from gateway.core.routing import RoutingTable
from gateway.curation.labels import Label, Said
from gateway.curation.sampling import ANY, Stratum
from gateway.events.schema import Timing, VerdictV1
from tests.benchmarks.table import Row
from tests.support.rollouts import MODEL, assigned
from tests.unit.controller.conftest import Controller, shipped
from tests.unit.controller.support import entries

VERDICTS = 1_000_000
_DAYS = 8
_STEP_US = _DAYS * 86_400_000_000 // VERDICTS
_UNITS = 50_000
_LAST = 20_000
"""Verdicts that come while the rollout runs."""
_BATCH = 5000
_LABELS = 3000
_DECISIONS = 1000
_TIMES = 30
_TARGET_MS = 100.0
_WINDOWS = ("15m", "1h", "6h", "24h", "7d", "30d")
_FILTERS = (
    "",
    "model=assistant",
    "arm=canary",
    "model=assistant&arm=canary&finding=violates",
    "finding=violates",
    "finding=provocation",
    "finding=not_evaluated",
    "severity=critical",
    "principle=privacy",
    "principle=privacy&arm=canary&severity=high",
    "refusal=true",
    "refusal=false",
    "over_refusal=true",
    "not_evaluated=true",
    "not_evaluated=false",
    "status=502",
    "status=404",
    "forced=true",
    "forced=false",
    "disagreed=true",
    "disagreed=true&arm=canary",
    "model=none",
)


def measure(folder: Path) -> list[Row]:
    """By the application itself, without a socket; the slowest first."""
    filled(folder)
    controller = Controller(folder)
    try:
        return asked(controller)
    finally:
        controller.close()


def filled(root: Path) -> None:
    """A data folder under `root` with all of it."""
    controller = Controller(root)
    try:
        controller.start()
        _decide(controller)
        traffic = _Traffic(controller.clock.now_us() - VERDICTS * _STEP_US)
        _take(controller, traffic, VERDICTS - _LAST)
        wanted = {"to": "canary", "plan": "fast", "reason": "v2"}
        answer = controller.call("POST", f"/api/v1/models/{MODEL}/rollout", json=wanted)
        assert answer.status_code == 200, answer.text
        _take(controller, traffic, _LAST)
        _label(controller)
    finally:
        controller.close()


class _Traffic:
    """Verdicts one after another, as the table in force assigns their units."""

    def __init__(self, start_us: int) -> None:
        self.now_us = start_us
        self._random = random.Random(1)
        self._number = 0
        self._found = [_verdict(self._random) for _ in range(500)]

    def verdicts(self, table: RoutingTable, count: int) -> Iterator[VerdictV1]:
        """The next so many."""
        for _ in range(count):
            self.now_us += _STEP_US
            self._number += 1
            unit = self._random.randrange(_UNITS).to_bytes(16, "big")
            identifier = exchange_id(self.now_us, self._number.to_bytes(10, "big"))
            yield VerdictV1(
                id=f"{identifier}verdict",
                exchange_id=identifier,
                time_us=self.now_us,
                producer="proxy-0",
                sequence=self._number,
                model=MODEL,
                route=Route.CHAT,
                assignment=assigned(table, unit, forced=self._random.random() < 0.001),
                status=self._random.choices((200, 404, 502), (0.99, 0.007, 0.003))[0],
                reason=Reason.COMPLETE,
                streamed=True,
                timing=Timing(self.now_us - 100_000, 0.001, 0.2, 0.5),
                request_bytes=100,
                response_bytes=900,
                verdict=self._random.choice(self._found),
            )


def _verdict(draw: random.Random) -> Verdict:
    """In 2 % a violation, in 1 % nothing was evaluated."""
    rules = shipped()
    if draw.random() < 0.01:
        return Verdict((), rules.hash, {}, not_evaluated=Why.NO_TEXT)
    violated = draw.choice(rules.principles).id if draw.random() < 0.02 else ""
    findings = tuple(
        PrincipleFinding(
            each.id,
            Finding.VIOLATES if each.id == violated else Finding.UPHOLDS,
            draw.random(),
            "rules",
            severity=each.severity,
        )
        for each in rules.principles
    )
    severity = next((each.severity for each in findings if each.principle == violated), None)
    refuses = draw.random() < 0.05
    return Verdict(
        findings,
        rules.hash,
        {"rules": "1"},
        provocations=(rules.principles[0].id,) if draw.random() < 0.03 else (),
        refusal=refuses,
        over_refusal=refuses and draw.random() < 0.2,
        severity=severity,
        deciding=None if severity is None else Clause(violated, "harmlessness", severity, "said so"),
        seconds={"rules": 0.001},
    )


def _decide(controller: Controller) -> None:
    for number in range(_DECISIONS):
        controller.tables.set_weights(MODEL, {"canary": 0.1 + number % 10 / 100}, f"step {number}")


def _take(controller: Controller, traffic: _Traffic, count: int) -> None:
    for start in range(0, count, _BATCH):
        events = list(traffic.verdicts(controller.tables.current(), min(_BATCH, count - start)))
        controller.index.add(entries(events), {})
        while controller.rollouts.advance(traffic.now_us):
            pass
        controller.history.look()
        if start % (_BATCH * 20) == 0:
            print(f"{start:,} verdicts", file=sys.stderr)


def _label(controller: Controller) -> None:
    """The newest, each by somebody; one word in ten is another than what was flagged. A sample is drawn too."""
    now = controller.clock.now_us()
    labels = [
        Label(
            MODEL,
            Said(each.id, violates=(each.severity is not None) == (place % 10 > 0), principle=ANY),
            f"person-{place % 3}",
            now,
            each.time_us,
            Stratum(each.arm, each.severity is not None),
        )
        for place, each in enumerate(controller.index.find(ExchangeFilter(), _LABELS))
    ]
    controller.labels.add(labels)
    wanted = {"actor": "ann", "size": 400}
    answer = controller.call("POST", f"/api/v1/models/{MODEL}/labels/sample", json=wanted)
    assert answer.status_code == 200, answer.text


def asked(controller: Controller) -> list[Row]:
    """Half and 95 % of the answers of each path take at most so long; the slowest path first."""
    measured = asyncio.run(_asked(controller, _paths(controller)))
    rows = sorted(measured.items(), key=lambda found: -found[1][1])
    return [
        row
        for path, (half, most) in rows
        for row in (Row(f"{path}: p50", half, "ms"), Row(f"{path}: p95", most, "ms", at_most=_TARGET_MS))
    ]


async def _asked(controller: Controller, paths: list[str]) -> dict[str, tuple[float, float]]:
    transport = httpx.ASGITransport(controller.app, client=("127.0.0.1", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9191") as client:
        return {path: await _times(controller, client, path) for path in paths}


async def _times(controller: Controller, client: httpx.AsyncClient, path: str) -> tuple[float, float]:
    times = []
    for _ in range(_TIMES):
        controller.clock.advance(1.0)  # so that what is shared for a second is worked out anew
        start = time.perf_counter()
        answer = await client.get(f"/api/v1{path}")
        times.append((time.perf_counter() - start) * 1e3)
        assert answer.status_code == 200, (path, answer.text)
    times.sort()
    return times[len(times) // 2], times[len(times) * 95 // 100]


def _paths(controller: Controller) -> list[str]:
    kept = controller.rollouts.last(MODEL)
    assert kept is not None
    newest = controller.index.find(ExchangeFilter(), 20_001)
    exchange, far = newest[0].id, newest[-1]
    decision = controller.store.newest_decisions(LAST, 1)[0][1].id
    rollout, model = kept.state.rollout, f"/models/{MODEL}"
    return [
        "/live",
        "/status",
        "/pipeline",
        "/ledger",
        "/levels",
        "/constitution",
        f"{model}/weights",
        f"{model}/rates",
        f"{model}/rates?since={quote('2025-10-09T00:00:00Z')}",
        f"{model}/rollout",
        f"{model}/rollout/history",
        f"{model}/rollout/{rollout}/evidence",
        f"{model}/rollout/{rollout}/decisions",
        *(f"{model}/series?window={window}" for window in _WINDOWS),
        *(f"/exchanges?{wanted}" for wanted in _FILTERS),
        f"/exchanges?cursor={far.time_us}-{far.id}",
        f"/exchanges/{exchange}",
        "/decisions?order=newest&limit=50",
        "/decisions/verification",
        f"/decisions/{decision}",
        f"{model}/labels?limit=100",
        f"{model}/labels/summary",
        "/audit",
    ]
