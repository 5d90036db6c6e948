"""What the tests of the data plane's surroundings share."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.configfile import parse
from gateway.core.routing import ArmShare, ModelRoute, RoutingTable
from gateway.events.schema import Event, Stream
from gateway.ports import LogFull, Positions
from gateway.proxy.endpoints import Endpoint, Failures
from gateway.proxy.fetch import Answer, Unanswered
from gateway.settings import Model
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.support.manual_clock import ManualClock
from tests.support.memory_log import MemoryEventLog, MemoryStore

NOW_US = 1_760_000_000_000_000
TWO_ARMS = {
    "assistant": {
        "arms": {
            "stable": {"endpoints": ["http://127.0.0.1:8001"]},
            "canary": {"endpoints": ["http://127.0.0.1:8002", "http://127.0.0.1:8003"], "weight": 10},
        }
    }
}


class FailingLog(MemoryEventLog):
    """The memory log on a disk that a test can fill (`room`: events it still takes) or break."""

    def __init__(self, room: float = float("inf")) -> None:
        super().__init__(MemoryStore(), "proxy-0", ManualClock())
        self.groups: list[int] = []
        self.ticks = 0
        self.room = room
        self.broken = False

    @property
    def events(self) -> list[Event]:
        return [entry.event for entry in self.read("exchanges", {}, 1_000_000).entries]

    def append(
        self,
        stream: Stream,
        events: Sequence[Event],
        consumed: Mapping[Stream, Positions] | None = None,
        forwarded: int = 0,
    ) -> tuple[int, ...]:
        if self.broken:
            raise OSError("input/output error")
        if len(events) > self.room:
            raise LogFull("no room")
        self.room -= len(events)
        self.groups.append(len(events))
        return super().append(stream, events, consumed, forwarded)

    def tick(self, stream: Stream, forwarded: int = 0) -> None:
        self.ticks += 1
        super().tick(stream, forwarded)


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
