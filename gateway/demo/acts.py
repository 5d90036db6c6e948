"""The acts of the story, each with what must hold in it."""

import asyncio
from collections.abc import Callable, Sequence
from statistics import median

from gateway.commands.adminclient import AdminClient
from gateway.demo.observation import Observation, StreamSeen, observe
from gateway.demo.plan import Plan
from gateway.demo.teller import Latency, Teller
from gateway.demo.users import Asked, Users
from gateway.ports import Clock
from gateway.tasks import Tasks

MODEL = "assistant"
CANARY = "canary"
_REACH_SECONDS = 1.0
"""Within this time a change of weights must have reached every proxy."""
_LOOK_SECONDS = 0.5
_RECENT = 400
_ENOUGH_PRINCIPLES = 3
"""Principles on which the canary is seen to be worse, until which the operator waits."""
_FEWEST_PRINCIPLES = 2
"""As many must be seen in time for the story to hold."""


class Acts:
    """Plays them; `problems` says what did not hold, a line for each."""

    def __init__(self, users: Users, admin: AdminClient, plan: Plan, clock: Clock, teller: Teller) -> None:
        self._users = users
        self._admin = admin
        self._plan = plan
        self._clock = clock
        self._teller = teller
        self._problems: list[str] = []
        self._seen = Observation({}, {}, {})
        self._looked = asyncio.Event()

    async def play(self) -> list[str]:
        """All acts; returns what did not hold."""
        tasks = Tasks(lambda name, error: self._problems.append(f"{name}: {error}"))
        self._seen = await self._look()
        try:
            arriving = tasks.spawn("users", self._users.arrive(self._plan.longest))
            with self._teller:
                tasks.spawn("watching", self._watch())
                await self._calm()
                raised = await self._raise()
                await self._compare()
                await self._withdraw(raised)
                arriving.cancel()
                await self._settle()
        finally:  # also after Ctrl-C: whoever arrived later would find a client that is closed
            await tasks.close()
        return self._problems

    async def _calm(self) -> None:
        percent, traffic = self._plan.first_percent, self._plan.traffic
        self._teller.say(
            f"{traffic.users} synthetic users come back again and again, {traffic.rate:g} requests a second; "
            f"{percent:g} % of them are given to the canary, each always to the same arm"
        )
        self._hold(
            self._seen.weights.get(CANARY) == percent, f"the canary has {self._seen.weights}, not {percent:g} %"
        )
        await asyncio.sleep(self._plan.calm)
        self._hold(bool(self._seen.scored), "no exchange had a verdict yet")

    async def _raise(self) -> float:
        percent = self._plan.raised_percent
        at = await self._set(percent, "demo: more to see")
        self._teller.say(f"the operator raises the canary to {percent:g} %: nobody who has it loses it")
        return at

    async def _compare(self) -> None:
        if not self._plan.compares:
            await asyncio.sleep(self._plan.watch)
            self._teller.say("what the tiny models write is gibberish: nothing is concluded from it")
            return
        self._teller.say(
            "rules read every answer against the default constitution; intervals: 95 % (Wilson), per exchange"
        )
        worse = await self._worse()
        stable, canary = self._seen.arm("stable"), self._seen.arm(CANARY)
        for principle in worse:
            rates = f"canary {canary.rates[principle]}, stable {stable.rates.get(principle, '-')}"
            self._teller.say(f"seen worse on {principle}: {rates}")
        self._teller.say(
            "counts, looked at again and again, are no proof. Nothing decides by itself yet, the operator does"
        )
        self._hold(
            len(worse) >= _FEWEST_PRINCIPLES, f"the canary was not seen to be worse within {self._plan.watch:g} s"
        )

    async def _worse(self) -> list[str]:
        """The principles on which the canary is seen to be worse, once there are enough of them."""
        await self._until(lambda: len(self._seen.worse()) >= _ENOUGH_PRINCIPLES, self._plan.watch)
        return self._seen.worse()

    async def _until(self, holds: Callable[[], bool], seconds: float) -> None:
        """Wait until `holds` of what is seen, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._looked.clear()
                    await self._looked.wait()
        except TimeoutError:
            return  # whoever asked looks at what is seen by then

    async def _withdraw(self, raised: float) -> None:
        before = self._clock.monotonic()
        at = await self._set(0.0, "demo: seen to violate more")
        self._teller.say("the operator sets the canary to 0 %")
        await asyncio.sleep(self._plan.after)
        later = [asked for asked in self._users.asked if asked.sent > at + _REACH_SECONDS]
        late = [asked for asked in later if asked.arm == CANARY]
        last = max((asked.sent - at for asked in self._users.asked if asked.arm == CANARY), default=0.0)
        self._teller.say(
            f"the last request that went to the canary was sent {max(last, 0.0):.2f} s after that; "
            f"{len(later)} later ones all went to stable"
            if not late
            else f"{len(late)} requests still went to the canary"
        )
        self._hold(bool(later), "no request was sent after the canary was set to 0 %")
        self._hold(not late, f"{len(late)} requests went to the canary more than {_REACH_SECONDS:g} s after 0 %")
        self._hold_sticky(raised, before)

    def _hold_sticky(self, raised: float, withdrawn: float) -> None:
        """Of requests that were sent after the one change, and whose answers began before the other."""
        had = {asked.user for asked in self._users.asked if asked.sent < raised and asked.arm == CANARY}
        moved = {
            asked.user
            for asked in self._users.asked
            if asked.user in had and asked.arm not in (CANARY, "")
            if raised < asked.sent and asked.sent + (asked.first_byte or 0.0) < withdrawn
        }
        self._hold(not moved, f"{len(moved)} users lost the canary when its share was raised")

    async def _settle(self) -> None:
        self._hold(await self._users.settle(self._plan.settle), "some answers never came")
        await self._until(self._settled, self._plan.settle)
        exchanges, verdicts = (self._seen.streams[name] for name in ("exchanges", "verdicts"))
        asked = self._users.asked
        self._teller.say(f"users: {len(asked)} requests, answered {_statuses(asked)}")
        for stream in (exchanges, verdicts):
            self._teller.say(_account(stream))
            self._hold(stream.settled, f"{stream.stream} have {stream.in_flight + stream.spooled} on their way")
        self._hold(all(each.status == 200 for each in asked), f"not every answer was a 200: {_statuses(asked)}")
        self._hold(exchanges.started == len(asked), f"{len(asked)} requests, but {exchanges.started} exchanges")
        self._hold(
            verdicts.appended == exchanges.appended == self._seen.scored,
            f"{exchanges.appended} exchanges, {verdicts.appended} verdicts, {self._seen.scored} in the index",
        )

    def _settled(self) -> bool:
        """What is seen is of now, not of before the last answers, and nothing is on its way."""
        streams = [self._seen.streams[name] for name in ("exchanges", "verdicts")]
        if streams[0].started < len(self._users.asked):
            return False
        return all(each.settled for each in streams) and self._seen.scored >= streams[0].appended

    async def _watch(self) -> None:
        while True:
            self._seen = await self._look()
            self._looked.set()
            self._teller.show(self._seen, _latency(self._users.asked[-_RECENT:]))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> Observation:
        return await asyncio.to_thread(observe, self._admin, MODEL)

    async def _set(self, percent: float, reason: str) -> float:
        """Set the canary's weight; returns when that was answered, on the monotonic clock."""
        await asyncio.to_thread(self._admin.set_weights, MODEL, {CANARY: percent}, reason)
        return self._clock.monotonic()

    def _hold(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as a sentence
        if not holds:
            self._problems.append(otherwise)


def _latency(asked: Sequence[Asked]) -> Latency:
    arms = {each.arm for each in asked if each.first_byte is not None}
    return Latency(
        {arm: median(each.first_byte for each in asked if each.arm == arm and each.first_byte) for arm in arms}
    )


def _statuses(asked: Sequence[Asked]) -> str:
    counts = {status: sum(each.status == status for each in asked) for status in {each.status for each in asked}}
    return ", ".join(f"{status or 'nothing'}: {count}" for status, count in sorted(counts.items()))


def _account(stream: StreamSeen) -> str:
    on_their_way = stream.in_flight + stream.spooled
    return (
        f"ledger, {stream.stream}: started {stream.started} = recorded {stream.appended} "
        f"+ dropped {stream.dropped}, on their way {on_their_way}"
    )
