"""Rollouts over the real store, index and table file: what is decided, saved and published, also after a crash."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.controller import chain
from gateway.controller.recovery import open_state
from gateway.controller.rollouts import Order, Rollouts, UnknownRollout
from gateway.events.schema import DecisionV1, VerdictV1
from gateway.ports import StaleHead
from gateway.rollout.commands import Refused
from gateway.rollout.plan import Plan, parse
from gateway.tablefile import read_table
from tests.support.plans import QUICK
from tests.support.rollouts import MODEL, Traffic, forced
from tests.unit.controller.conftest import Controller, shipped
from tests.unit.controller.support import START, entries

PLAN = parse(QUICK)


class Site:
    """A controller with a rollout's traffic. `step` is what its loop does; `noted` hears what came in."""

    def __init__(self, root: Path) -> None:
        self.controller = Controller(root)
        self.controller.start()
        self._again()
        self.traffic = Traffic(START + 1_000_000)
        self.noted: Callable[[list[VerdictV1]], object] = lambda _: None

    @property
    def rollouts(self) -> Rollouts:
        return self.controller.rollouts

    def start(self, plan: Plan = PLAN, *, again: bool = False) -> None:
        self.rollouts.advance(self.traffic.now_us)
        order = Order(
            model=MODEL, stable="stable", canary="canary", plan=plan, actor="ann", reason="a try", again=again
        )
        self.rollouts.start(order)

    def step(self, seconds: float = 1.0) -> None:
        table = read_table(self.controller.data.table)
        assert table is not None
        events = self.traffic.verdicts(table, seconds, shipped().hash)
        self.noted(events)
        self.controller.index.add(entries(events), {})
        self.controller.clock.advance(seconds)
        self.rollouts.advance(self.traffic.now_us)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.step()

    def status(self) -> str:
        kept = self.rollouts.last(MODEL)
        assert kept is not None
        return kept.state.status

    def decisions(self) -> list[DecisionV1]:
        return [made for _, made in self.controller.store.decisions(0, 1000)]

    def kinds(self) -> list[str]:
        return [made.kind for made in self.decisions() if made.rollout and made.kind != "wait"]

    def weight(self) -> float:
        table = read_table(self.controller.data.table)
        assert table is not None
        return table.models[MODEL].weight("canary")

    def crash(self) -> None:
        """The process is gone; another one opens the same files."""
        parts = self.controller
        store = open_state(parts.data, parts.clock)
        parts.store, parts.tables._store = store, store
        self._again()

    def _again(self) -> None:
        """Rollouts over what is stored; salts that are the same at every site, one after another."""
        parts = self.controller
        models = parts.rollouts._models
        parts.rollouts = Rollouts(
            parts.store, parts.tables, parts.index, models, shipped(), parts.clock, entropy=self._entropy
        )

    def _entropy(self, count: int) -> bytes:
        return len(self.decisions()).to_bytes(count, "big")


class ApiSite(Site):
    """Its rollouts are those of the API."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.controller.rollouts = self.controller.parts.rollouts
        self.controller.rollouts._entropy = self._entropy


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.controller.close()


def test_a_healthy_canary_arrives_and_every_step_is_a_decision(site: Site) -> None:
    site.start()
    assert site.weight() == 0.1
    site.run(300)
    assert site.status() == "promoted"
    assert site.weight() == 1.0
    assert site.kinds() == ["start", "advance", "advance", "promote", "promote"]
    assert chain.first_break(site.decisions()) is None


def test_a_bad_canary_is_frozen_and_rolled_back(site: Site) -> None:
    site.start()
    site.run(25)
    site.traffic.canary = 0.4
    site.run(60)
    assert site.kinds()[-1] == "roll_back"
    assert site.status() == "rolled_back"
    assert site.weight() == 0.0
    last = site.decisions()[-1]
    assert last.evidence is not None
    assert last.evidence.mean >= last.evidence.needs
    assert last.rests_on["canary"] == "canary-1"
    assert last.rests_on["classifiers"] == "rules=1"


def test_a_crash_anywhere_changes_nothing(site: Site, tmp_path: Path) -> None:
    other = Site(tmp_path / "other")
    for each in (site, other):
        each.start()
    for second in range(200):
        for each in (site, other):
            each.traffic.canary = 0.02 if second < 60 else 0.3
            each.step()
        if second % 7 == 0:
            other.crash()
    told, again = (
        [(made.kind, made.time_us, made.weights.after, made.reason) for made in each.decisions() if made.rollout]
        for each in (site, other)
    )
    assert told == again
    assert told[-1][0] == "roll_back"
    other.controller.close()


def test_what_an_operator_forced_is_no_evidence(site: Site) -> None:
    site.start()
    table = read_table(site.controller.data.table)
    assert table is not None
    site.traffic.canary = 1.0
    events = [forced(event) for event in site.traffic.verdicts(table, 30, shipped().hash)]
    site.controller.index.add(entries(events), {})
    site.rollouts.advance(site.traffic.now_us)
    kept = site.rollouts.last(MODEL)
    assert kept is not None
    assert kept.state.units == [0, 0]


def test_verdicts_of_another_constitution_are_no_evidence(site: Site) -> None:
    site.start()
    table = read_table(site.controller.data.table)
    assert table is not None
    site.controller.index.add(entries(site.traffic.verdicts(table, 30, "another")), {})
    site.rollouts.advance(site.traffic.now_us)
    kept = site.rollouts.last(MODEL)
    assert kept is not None
    assert kept.state.units == [0, 0]


def test_an_operator_suspends_resumes_and_rolls_back(site: Site) -> None:
    site.start()
    site.run(5)
    site.rollouts.command(MODEL, "suspend", "ann", "a complaint")
    assert site.weight() == 0.0
    site.run(3)
    site.rollouts.command(MODEL, "resume", "ann", "it was nothing")
    assert site.weight() == 0.1
    with pytest.raises(Refused, match="finish does nothing"):
        site.rollouts.command(MODEL, "finish", "ann", "too early")
    site.rollouts.command(MODEL, "rollback", "ann", "enough")
    assert site.weight() == 0.0
    last = site.decisions()[-1]
    assert (last.kind, last.actor, last.decided_by) == ("roll_back", "ann", "operator")
    with pytest.raises(UnknownRollout):
        site.rollouts.command(MODEL, "resume", "ann", "again")


def test_what_has_ended_starts_again_only_when_it_is_said(site: Site) -> None:
    site.start()
    site.rollouts.command(MODEL, "rollback", "ann", "enough")
    with pytest.raises(Refused, match="has ended"):
        site.start()
    site.start(again=True)
    assert site.weight() == 0.1
    site.crash()
    assert site.status() == "running"


def test_an_older_controller_can_decide_nothing(site: Site) -> None:
    site.start()
    older = site.rollouts
    open_state(site.controller.data, site.controller.clock).close()
    with pytest.raises(StaleHead):
        older.command(MODEL, "rollback", "ann", "too late")
    assert site.weight() == 0.1
