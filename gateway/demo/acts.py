"""The acts of the story, each with what must hold in it."""

import asyncio
from collections.abc import Callable, Sequence
from statistics import median

from gateway.commands import rollout
from gateway.commands.adminclient import AdminClient
from gateway.commands.decision_screen import decision_screen
from gateway.commands.rollout_screen import status_screen
from gateway.commands.words import moment
from gateway.demo.course import TAKEN, Course
from gateway.demo.observation import Made, Observation, StreamSeen, observe, violations
from gateway.demo.plan import Plan
from gateway.demo.recall import recall
from gateway.demo.teller import Latency, Teller
from gateway.demo.traces import REACH_SECONDS, lost, statuses, to_arm
from gateway.demo.users import Asked, Users
from gateway.ports import Clock
from gateway.tasks import Tasks

MODEL = "assistant"
CANARY = "canary"
_LOOK_SECONDS = 0.5
_RECENT = 400
_START = "demo: a new version of the assistant"
_GIBBERISH = "demo: gibberish is no evidence"


class Acts:
    """Plays them; `begin` is called when the rollout starts."""

    def __init__(
        self, users: Users, admin: AdminClient, plan: Plan, clock: Clock, teller: Teller, begin: Callable[[], None]
    ) -> None:
        self._users = users
        self._admin = admin
        self._plan = plan
        self._clock = clock
        self._teller = teller
        self._begin = begin
        self._problems: list[str] = []
        self._died = False
        self._rollout = ""
        self._seen = Observation({}, {}, {})
        self._looked = asyncio.Event()

    async def play(self) -> list[str]:
        """All acts; returns what did not hold, a line for each."""
        tasks = Tasks(self._mourn)
        self._seen = await self._look()
        try:
            arriving = tasks.spawn("users", self._users.arrive(self._plan.longest))
            with self._teller:
                tasks.spawn("watching", self._watch())
                await self._calm()
                began = await self._start()
                if self._plan.turn is None:
                    await self._take_back()
                else:
                    await self._leave_to_evidence(began, self._plan.turn)
                await self._afterwards()
                arriving.cancel()
                await self._settle()
            await self._evidence()
            if self._plan.turn is not None:
                await self._recall()
            self._ledger()
        finally:  # also after Ctrl-C: whoever arrived later would find a client that is closed
            await tasks.close()
        return self._problems

    def _mourn(self, name: str, error: BaseException) -> None:
        self._problems.append(f"{name}: {error}")
        self._died = True
        self._looked.set()  # whoever waits for what is seen would wait in vain

    async def _calm(self) -> None:
        traffic = self._plan.traffic
        new = f", {100 * traffic.fresh:g} % of the requests are somebody's first" if traffic.fresh else ""
        self._teller.say(
            f"{traffic.users} synthetic users come back again and again{new}: {traffic.rate:g} requests a second"
        )
        self._teller.say(
            "rules and the encoder read every answer against the default constitution; no user has the canary yet"
        )
        await asyncio.sleep(self._plan.before)
        had = to_arm(self._users.asked, CANARY, float("-inf"))
        self._hold(not had, f"{len(had)} requests went to the canary before the rollout began")

    async def _start(self) -> float:
        """Start the rollout as `tipstaff rollout start` does; returns when, on the monotonic clock."""
        self._teller.say(f"the operator starts a rollout: tipstaff rollout start {MODEL} --to {CANARY}")
        self._teller.say(self._plan.said)
        wanted = {"to": CANARY, "plan": self._plan.rollout, "reason": _START}
        found = await asyncio.to_thread(rollout.start, self._admin, MODEL, wanted)
        self._begin()
        self._rollout = found["id"]
        return self._clock.monotonic()

    async def _leave_to_evidence(self, began: float, turn: float) -> None:
        """Nobody says a word: what happens to the canary is decided by what its answers are."""
        turned = began + turn
        self._teller.say(
            "from here on nobody touches it: by evidence alone the canary gets more users, or loses them"
        )
        await self._until(self._taken, turned - self._clock.monotonic())
        if not self._taken():
            self._teller.say(
                f"{turn:g} s into it, and nobody knows: from now on the canary's model answers worse", "red"
            )
        await self._until(self._taken, began + self._plan.deadline - self._clock.monotonic())
        course = Course(self._seen.decisions, self._time_us(turned), self._plan.deadline)
        for line in course.told():
            self._teller.say(line)
        self._problems += course.problems()
        worse = len(to_arm(self._users.asked, CANARY, turned))
        self._teller.say(f"answers of the worse model that reached users: {worse}")

    def _taken(self) -> Made | None:
        """The decision that took the canary from its users, once it was made."""
        return next((made for made in self._seen.decisions if made.kind in TAKEN), None)

    async def _take_back(self) -> None:
        """Where answers mean nothing, an operator says what becomes of the canary."""
        await self._until(self._taken, self._plan.deadline)
        if self._taken() is not None:
            self._problems.append("gibberish was taken for evidence")
            return
        self._teller.say("what the tiny models write is gibberish: nothing is concluded from it")
        self._teller.say(f'the operator: tipstaff rollout rollback {MODEL} --reason "{_GIBBERISH}"')
        await asyncio.to_thread(rollout.say, self._admin, MODEL, "rollback", _GIBBERISH)
        await self._until(self._taken, self._plan.settle)
        self._hold(self._taken() is not None, "the operator's rollback was not decided")

    async def _afterwards(self) -> None:
        """Once the canary has lost its users: nobody goes there any more, and nobody had lost it before."""
        taken = self._taken()
        if taken is None:
            return
        at, decided = self._clock.monotonic(), self._monotonic(taken.time_us)
        await asyncio.sleep(self._plan.after)
        later = [asked for asked in self._users.asked if asked.sent > at + REACH_SECONDS]
        late = to_arm(later, CANARY, at)
        self._teller.say(
            f"{len(later)} requests came more than {REACH_SECONDS:g} s after that: "
            f"{f'{len(late)} went to the canary' if late else 'all went to stable'}"
        )
        self._hold(bool(later), "no request was sent after the canary was taken back")
        self._hold(not late, f"{len(late)} requests went to the canary more than {REACH_SECONDS:g} s after that")
        moved = lost(self._users.asked, CANARY, decided)
        self._hold(not moved, f"{len(moved)} users lost the canary while its share was raised")

    async def _settle(self) -> None:
        self._hold(await self._users.settle(self._plan.settle), "some answers never came")
        await self._until(self._settled, self._plan.settle)

    async def _evidence(self) -> None:
        """On one screen: the decision that took the canary back, else where the rollout stands."""
        taken, now = self._taken(), moment(self._clock.now_us())
        if taken is not None:
            self._teller.say(f"the evidence, as `tipstaff rollout decision {taken.id}` shows it:")
            detail = await asyncio.to_thread(rollout.decision, self._admin, taken.id)
            self._teller.quote(decision_screen(detail, now))
        else:
            self._teller.say(f"where it stands, as `tipstaff rollout status {MODEL}` shows it:")
            found = await asyncio.to_thread(rollout.status, self._admin, MODEL)
            self._teller.quote(status_screen(found, now))

    async def _recall(self) -> None:
        """The models are simulated, so what was wrong with each answer is known: how much of it was found?"""
        said = [(each.exchange, each.fault) for each in self._users.asked if each.status == 200]
        told = recall(said, await asyncio.to_thread(violations, self._admin, MODEL, len(said)))
        self._teller.say("what the models did, and what of it was found (hard twins, that no training ever saw):")
        for line in told.told():
            self._teller.say(f"    {line}")

    def _ledger(self) -> None:
        exchanges, verdicts = (self._seen.streams[name] for name in ("exchanges", "verdicts"))
        asked = self._users.asked
        self._teller.say(f"users: {len(asked)} requests, answered {statuses(asked)}")
        for stream in (exchanges, verdicts):
            self._teller.say(_account(stream))
            self._hold(stream.settled, f"{stream.stream} have {stream.in_flight + stream.spooled} on their way")
        self._hold(all(each.status == 200 for each in asked), f"not every answer was a 200: {statuses(asked)}")
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

    async def _until(self, holds: Callable[[], object], seconds: float) -> None:
        """Wait until `holds` of what is seen, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                while not holds() and not self._died:
                    self._looked.clear()
                    await self._looked.wait()
        except TimeoutError:
            return  # whoever asked looks at what is seen by then

    async def _watch(self) -> None:
        while True:
            told = len(self._seen.decisions)
            self._seen = await self._look()
            for made in self._seen.decisions[told:]:
                self._teller.decided(made)
            self._looked.set()
            self._teller.show(self._seen, _latency(self._users.asked[-_RECENT:]))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> Observation:
        return await asyncio.to_thread(observe, self._admin, MODEL, self._rollout)

    def _time_us(self, monotonic: float) -> int:
        return self._clock.now_us() - round((self._clock.monotonic() - monotonic) * 1e6)

    def _monotonic(self, time_us: int) -> float:
        return self._clock.monotonic() - (self._clock.now_us() - time_us) / 1e6

    def _hold(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as a sentence
        if not holds:
            self._problems.append(otherwise)


def _latency(asked: Sequence[Asked]) -> Latency:
    arms = {each.arm for each in asked if each.first_byte is not None}
    return Latency(
        {arm: median(each.first_byte for each in asked if each.arm == arm and each.first_byte) for arm in arms}
    )


def _account(stream: StreamSeen) -> str:
    on_their_way = stream.in_flight + stream.spooled
    return (
        f"ledger, {stream.stream}: started {stream.started} = recorded {stream.appended} "
        f"+ dropped {stream.dropped}, on their way {on_their_way}"
    )
