"""What the tests of the data plane's surroundings share: a clock that the test moves, a log in memory, exchanges."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.core.exchange import Reason, Route
from gateway.core.ids import exchange_id
from gateway.core.routing import ArmShare, ModelRoute, RoutingTable
from gateway.events.schema import Assignment, Event, ExchangeV1, Payload, Stream, Timing
from gateway.ports import Batch, LogFull, Positions
from gateway.proxy.endpoints import Endpoint, Failures
from gateway.proxy.fetch import Answer, Unanswered
from gateway.settings import Model, parse
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters

NOW_US = 1_760_000_000_000_000
TWO_ARMS = {
    "assistant": {
        "arms": {
            "stable": {"endpoints": ["http://127.0.0.1:8001"]},
            "canary": {"endpoints": ["http://127.0.0.1:8002", "http://127.0.0.1:8003"], "weight": 10},
        }
    }
}


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    def now_us(self) -> int:
        return NOW_US + round((self.seconds - 1000.0) * 1e6)

    def monotonic(self) -> float:
        return self.seconds


class MemoryLog:
    """The part of an EventLog that a recorder uses, in memory; `room` is how many more events it takes."""

    producer = "proxy-0"

    def __init__(self, room: float = float("inf")) -> None:
        self.events: list[Event] = []
        self.groups: list[int] = []
        self.ticks = 0
        self.room = room
        self.broken = False

    def append(
        self, stream: Stream, events: Sequence[Event], consumed: Mapping[Stream, Positions] | None = None
    ) -> tuple[int, ...]:
        if self.broken:
            raise OSError("input/output error")
        if len(events) > self.room:
            raise LogFull("no room")
        self.room -= len(events)
        self.events += events
        self.groups.append(len(events))
        return tuple(range(len(events)))

    def tick(self, stream: Stream, known_to_us: int | None = None) -> None:
        self.ticks += 1

    def read(self, stream: Stream, after: Positions, limit: int) -> Batch:
        raise NotImplementedError

    def appended(self, stream: Stream) -> int:
        return len(self.events)

    def consumed(self, stream: Stream) -> dict[str, int]:
        return {}

    def close(self) -> None:
        pass


class FakeFetch:
    """Answers by URL and path: JSON bodies with 200, a number as that status; anything else is unreachable."""

    def __init__(self, answers: Mapping[str, bytes | int]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []

    async def __call__(self, endpoint: Endpoint, path: str) -> Answer:
        self.asked.append(endpoint.url + path)
        answer = self.answers.get(endpoint.url + path)
        if answer is None:
            raise Unanswered("refused")
        return Answer(answer, b"") if isinstance(answer, int) else Answer(200, answer)


def models(raw: Mapping[str, object] = TWO_ARMS) -> dict[str, Model]:
    return parse({"models": raw}, Path("/"), {}).models


def meters(folder: Path) -> Meters:
    return Meters(CounterFile.open(folder / "counters.bin"))


def endpoint(url: str, its_meters: Meters, clock: ManualClock) -> Endpoint:
    return Endpoint(url, failures=Failures(its_meters, "assistant", "stable"), clock=clock, chance=lambda: 0.0)


def table(version: int = 1, *, canary: float = 0.1, store: str = "store", epoch: int = 1) -> RoutingTable:
    shares = (ArmShare("stable", 1 - canary), ArmShare("canary", canary))
    route = ModelRoute(salt=b"salt", arms=shares, decided_by="operator", decided_at_us=NOW_US)
    return RoutingTable(store_id=store, epoch=epoch, version=version, models={"assistant": route})


def exchange(number: int = 0, body: bytes = b"{}") -> ExchangeV1:
    return ExchangeV1(
        id=exchange_id(NOW_US + number, bytes(10)),
        model="assistant",
        route=Route.CHAT,
        path="/v1/chat/completions",
        assignment=Assignment("user", "header:x-user-id", bytes(16), 0.5, 0.9, "stable", "stable", "store", 1, 1),
        endpoint="http://127.0.0.1:8001",
        status=200,
        reason=Reason.COMPLETE,
        streamed=False,
        chunks=1,
        timing=Timing(NOW_US, 0.001, 0.1, 0.2),
        request=Payload(len(body), body, truncated=False),
        response=Payload(len(body), body, truncated=False),
    )
