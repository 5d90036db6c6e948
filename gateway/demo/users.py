"""Synthetic users who come back: open-loop arrivals, bounded in number, in time, and to this machine."""

import asyncio
from collections import Counter

import httpx
import msgspec

from gateway.core.dialects import Body, decode
from gateway.core.exchange import Route
from gateway.demo.asking import Asking, Request, Traffic
from gateway.demo.wording import Fault, fault
from gateway.ports import Clock
from gateway.tasks import Tasks

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DEADLINE = 60.0
_IN_FLIGHT = 64
_OK = 200


class Asked(msgspec.Struct, frozen=True):
    """One request that ended. `arm`, `exchange` as the gateway told them; `sent` on the clock's monotonic seconds.

    `status` is 0 where no answer came. `fault`: what was wrong with the answer of a simulated model.
    """

    sent: float
    user: str
    arm: str
    status: int
    first_byte: float | None
    exchange: str = ""
    fault: Fault | None = None


class Users:
    """Asks for `model` at `url` until told to stop; what became of each request is in `asked`."""

    def __init__(self, url: str, model: str, traffic: Traffic, clock: Clock, seed: int) -> None:
        host = httpx.URL(url).host
        if host not in _LOOPBACK:
            raise ValueError(f"{url}: synthetic users only talk to this machine, not to {host}")
        self.asked: list[Asked] = []
        self.left_out = 0
        """Arrivals that found too many others in flight: an open loop does not wait for them."""
        self._asking = Asking(traffic, model, seed)
        self._clock = clock
        self._tasks = Tasks()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        limits = httpx.Limits(max_connections=_IN_FLIGHT, max_keepalive_connections=_IN_FLIGHT)
        self._http = httpx.AsyncClient(base_url=url, limits=limits, timeout=_DEADLINE, trust_env=False)

    async def arrive(self, seconds: float) -> None:
        """Let them come for that long; returns when the time is over or the most were sent."""
        began = self._clock.monotonic()
        due = began
        while (request := self._asking.draw()) is not None:
            due += request.pause
            await asyncio.sleep(max(min(due, began + seconds) - self._clock.monotonic(), 0.0))
            if due - began > seconds:
                return
            self._arrival(request)

    async def settle(self, seconds: float) -> bool:
        """Wait for the answers that are on their way; False when some are still after `seconds`."""
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Hang up."""
        await self._tasks.close()
        await self._http.aclose()

    @property
    def statuses(self) -> Counter[int]:
        """How many requests ended with which status."""
        return Counter(asked.status for asked in self.asked)

    def _arrival(self, request: Request) -> None:
        if self._in_flight >= _IN_FLIGHT:
            self.left_out += 1
            return
        self._in_flight += 1
        self._idle.clear()
        self._tasks.spawn(request.user, self._one(request))

    async def _one(self, request: Request) -> None:
        sent = self._clock.monotonic()
        arm, exchange, kind, status, first_byte, body = "", "", "", 0, None, b""
        headers = {"x-user-id": request.user}
        try:
            async with self._http.stream("POST", request.path, json=request.body, headers=headers) as answer:
                arm = answer.headers.get("x-tipstaff-arm", "")
                exchange = answer.headers.get("x-tipstaff-exchange", "")
                kind = answer.headers.get("content-type", "")
                async for piece in answer.aiter_raw():
                    first_byte = first_byte or self._clock.monotonic() - sent
                    body += piece
                status = answer.status_code
        except httpx.HTTPError:
            status = 0  # told by `statuses`, and the story does not hold with one of them
        finally:
            wrong = _fault(request, Body(body, kind)) if status == _OK else None
            self.asked.append(Asked(sent, request.user, arm, status, first_byte, exchange, wrong))
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()


def _fault(request: Request, body: Body) -> Fault | None:
    route = Route.CHAT if "messages" in request.body else Route.COMPLETIONS
    asked = Body(msgspec.json.encode(request.body), "application/json")
    answers = decode(route, asked, body).answers
    return fault(request.prompt, answers[0].text) if answers else None
