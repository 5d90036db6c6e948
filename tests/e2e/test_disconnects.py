"""A thousand clients leave at random moments: each generation is aborted, and each is on record with its reason."""

import asyncio
import json
import random
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from tests.support.stack import Stack
from tests.support.upstream import Conversation, Upstream
from tests.support.wait import until

SEED = 20260301
AT_ONCE = 32
MODELS = b'{"object":"list","data":[{"id":"assistant","object":"model"}]}'
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":" word"}}]}\n\n'
PACE = 0.02

Moment = Literal["waiting", "streaming", "at_once", "in_body"]
PLAN: dict[Moment, int] = {"waiting": 400, "streaming": 600, "at_once": 150, "in_body": 150}
REACHED = PLAN["waiting"] + PLAN["streaming"]
RECORDED = REACHED + PLAN["at_once"]


class Visit(msgspec.Struct, eq=False):
    """One client that leaves: when (`pause` seconds or `chunks` into that moment), and how."""

    number: int
    moment: Moment
    pause: float
    chunks: int
    reset: bool
    reached: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    aborted: asyncio.Event = msgspec.field(default_factory=asyncio.Event)
    left_at: float = 0.0
    aborted_at: float = 0.0

    def request(self) -> bytes:
        """The whole request; its id tells the upstream whose it is."""
        body = json.dumps(
            {
                "model": "assistant",
                "stream": self.moment == "streaming",
                "user": f"user-{self.number}",
                "messages": [{"role": "user", "content": "x" * (self.number % 7 * 100)}],
            }
        ).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
            f"x-request-id: {self.number}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def visits() -> list[Visit]:
    chance = random.Random(SEED)
    moments = [moment for moment, count in PLAN.items() for _ in range(count)]
    chance.shuffle(moments)
    return [
        Visit(number, moment, chance.uniform(0, 0.05), chance.randrange(10), reset=chance.random() < 0.5)
        for number, moment in enumerate(moments)
    ]


class Arm:
    """A model that answers nothing, or a stream without end, until its client leaves."""

    def __init__(self, expected: list[Visit]) -> None:
        self._visits = {str(visit.number): visit for visit in expected}
        self.begun: set[int] = set()

    async def serve(self, conversation: Conversation) -> None:
        """The upstream's script."""
        while await conversation.request():
            if conversation.head.startswith(b"GET"):
                await conversation.answer(MODELS if b"/v1/models " in conversation.head else b'{"version":"0"}')
            else:
                await self._generate(conversation, self._visits[conversation.header("x-request-id") or ""])

    async def _generate(self, conversation: Conversation, visit: Visit) -> None:
        self.begun.add(visit.number)
        visit.reached.set()
        leaving = asyncio.ensure_future(conversation.hung_up())  # noqa: TID251 - awaited below
        try:
            if visit.moment == "streaming":
                await self._stream(conversation, leaving)
            await leaving
        except ConnectionError:
            leaving.cancel()
        visit.aborted_at = time.monotonic()
        visit.aborted.set()

    @staticmethod
    async def _stream(conversation: Conversation, leaving: "asyncio.Future[bool]") -> None:
        await conversation.begin_chunks()
        while not leaving.done():
            await conversation.chunk(CHUNK)
            await asyncio.wait([leaving], timeout=PACE)


async def _visit(visit: Visit, port: int, room: asyncio.Semaphore) -> None:
    async with room, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = visit.request()
        if visit.moment == "in_body":
            head = request.index(b"\r\n\r\n") + 4
            request = request[: head + visit.number % (len(request) - head)]
        writer.write(request)
        await writer.drain()
        if visit.moment in ("waiting", "streaming"):
            await visit.reached.wait()
        if visit.moment == "streaming":
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(visit.chunks):
                await reader.readuntil(b" word")
        if visit.moment != "at_once":
            await asyncio.sleep(visit.pause)
        visit.left_at = time.monotonic()
        if visit.reset:
            writer.transport.abort()
        writer.close()


async def _story(stable: Upstream, canary: Upstream, folder: Path, everybody: list[Visit], arm: Arm) -> None:
    async with stable, canary:
        arms = {"stable": {"endpoints": [stable.url]}, "canary": {"endpoints": [canary.url], "weight": 50}}
        stack = Stack(folder, {"assistant": {"arms": arms}})
        await asyncio.to_thread(stack.start)
        try:
            room = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(_visit(visit, stack.port, room) for visit in everybody))
            async with asyncio.timeout(20):
                for visit in everybody:
                    if visit.number in arm.begun:
                        await visit.aborted.wait()
            await asyncio.to_thread(_check_records, stack, arm)
        finally:
            await asyncio.to_thread(stack.close)


def _check_records(stack: Stack, arm: Arm) -> None:
    gone = {"reason": "client_gone"}
    everybody = RECORDED + PLAN["in_body"]
    until(lambda: stack.metric("tipstaff_requests_total") >= everybody, 30, "every request has ended", 0.2)
    ledger = stack.settled()["exchanges"]
    assert (ledger["started"], ledger["dropped"], ledger["appended"]) == (RECORDED, {}, RECORDED)
    listed = stack.exchanges()
    assert Counter(each["reason"] for each in listed) == {"client_gone": RECORDED}
    assert len({each["id"] for each in listed}) == RECORDED
    by_arm = Counter(each["served"] for each in listed)
    assert min(by_arm["stable"], by_arm["canary"]) > RECORDED / 3

    # Who left within the body named no model yet: counted, without an arm, and recorded nowhere.
    assert stack.metric("tipstaff_requests_total", **gone) == everybody
    assert stack.metric("tipstaff_requests_total", arm="", **gone) == PLAN["in_body"]
    assert stack.metric("tipstaff_requests_total") == everybody

    # None of it is an arm's fault, and nothing is left over.
    assert stack.metric("tipstaff_upstream_errors_total") == 0
    assert stack.metric("tipstaff_in_flight") == 0
    assert stack.metric("tipstaff_connections") == 0
    assert stack.status()["ejected"] == []
    assert len(arm.begun) >= REACHED


def test_a_thousand_clients_leave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everybody = visits()
    arm = Arm(everybody)
    asyncio.run(_story(Upstream(arm.serve), Upstream(arm.serve), tmp_path, everybody, arm))
    aborted = [visit for visit in everybody if visit.aborted.is_set()]
    assert {visit.number for visit in aborted} == arm.begun
    reached = [visit for visit in aborted if visit.moment in ("waiting", "streaming")]
    assert len(reached) == REACHED
    assert not any(visit.moment == "in_body" for visit in aborted)
    took = sorted(1000 * (visit.aborted_at - visit.left_at) for visit in reached)
    half, most = statistics.median(took), took[int(len(took) * 0.99)]
    with capsys.disabled():
        print(f"\nfrom a client's leaving to its arm's abort: p50 {half:.1f} ms, p99 {most:.1f} ms")
    assert half < 100
