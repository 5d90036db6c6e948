"""One controller fed in order, and others that gather the same verdicts of two gateways, in any order.

They make the same decisions, at the same canonical times, on the same evidence.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.controller.verdicts import VerdictReader
from gateway.events.gather import Gather, Logs
from gateway.events.schema import DecisionV1, VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.ports import BrokersAway
from tests.integration.controller.test_rollouts import Site
from tests.support.remote import Remote
from tests.support.topics import FakeSource, FakeTopics

GATEWAYS = ("east", "west")
SECONDS = 200


class Gathering:
    """A site whose verdicts come over topics, and the two gateways that make them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.site = Site(folder / "lead")
        self.chance = random.Random(seed)
        self.topics = FakeTopics()
        self.remotes = {}
        for name in GATEWAYS:
            (folder / name).mkdir()
            self.remotes[name] = Remote(name, folder / name, self.topics)
        self.source = FakeSource(self.topics)
        parts = self.site.controller
        self.reader = VerdictReader(parts.events, parts.index, parts.meters)
        self.folder = folder
        self.begin()

    def begin(self) -> None:
        parts = self.site.controller

        def opened(name: str) -> SqliteEventLog:
            return SqliteEventLog(parts.data.log, name, parts.clock)

        self.logs = Logs(parts.data.log, opened, parts.meters)
        self.gather = Gather(
            self.source,
            self.logs,
            GATEWAYS,
            offsets=parts.data.gather_offsets,
            trouble=self.folder / "trouble",
            meters=parts.meters,
            clock=parts.clock,
        )
        self.gather.step()

    def second(self, events: list[VerdictV1]) -> None:
        """Each gateway has its half of them, and scores it when it gets round to it."""
        store_id = self.site.controller.store.head().store_id
        for number, name in enumerate(GATEWAYS):
            own = [
                replace(each, assignment=replace(each.assignment, store_id=store_id))
                for each in events
                if each.sequence % len(GATEWAYS) == number
            ]
            if own:
                self.remotes[name].clock.us = max(own[-1].time_us + 1000, self.remotes[name].clock.us)
                self.remotes[name].score(own)
        for name in self.chance.sample(GATEWAYS, 2):
            if self.chance.random() < 0.7:
                self.relay(self.remotes[name])
        if self.chance.random() < 0.05:
            self.logs.close()  # killed
            self.begin()
        self.site.controller.clock.advance(1)
        for _ in range(self.chance.randrange(4)):
            self.take_in()

    def relay(self, remote: Remote) -> None:
        remote.sink.fails_after = self.chance.choice((None, None, None, 5))
        try:
            remote.relay.step()
        except BrokersAway:
            return
        remote.herald.speak()

    def take_in(self) -> None:
        self.source.most, self.source.backwards = self.chance.randrange(1, 60), self.chance.random() < 0.5
        self.gather.turn()
        while self.reader.step():
            pass
        self.site.rollouts.advance(self.reader.horizon_us)

    def rest(self) -> None:
        """Everything that is on its way arrives."""
        for remote in self.remotes.values():
            remote.sink.fails_after = None
            while remote.relay.step():
                pass
            remote.herald.speak()
        for _ in range(200):
            self.take_in()

    def close(self) -> None:
        self.logs.close()
        for remote in self.remotes.values():
            remote.close()
        self.site.controller.close()


def core(made: DecisionV1) -> tuple[object, ...]:
    """What a decision is, apart from where and when it was written down."""
    return made.kind, made.time_us, made.stage, made.weights, made.evidence, made.exchanges, made.reason


def good(_: Site) -> None:
    """Both arms violate alike."""


def bad(site: Site) -> None:
    site.traffic.canary = 0.3


@pytest.mark.parametrize(("quality", "ends"), [(good, "promote"), (bad, "roll_back")])
def test_the_same_decisions_whoever_gathers_them(
    tmp_path: Path, quality: Callable[[Site], None], ends: str
) -> None:
    alone = Site(tmp_path / "alone")
    seconds: list[list[VerdictV1]] = []
    alone.noted = seconds.append
    alone.start()
    quality(alone)
    alone.run(SECONDS)
    wanted = [core(made) for made in alone.decisions() if made.rollout and made.kind != "wait"]
    assert ends in {made[0] for made in wanted}
    for seed in (1, 2):
        gathering = Gathering(tmp_path / str(seed), seed)
        gathering.site.start()
        for events in seconds:
            gathering.second(events)
        gathering.rest()
        made = [core(made) for made in gathering.site.decisions() if made.rollout and made.kind != "wait"]
        assert made == wanted
        gathering.close()
    alone.controller.close()
