"""The controller's part of forgetting, in the middle of a rollout: the evidence stays exact, whatever dies when."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.curation.labels import Label, Said
from gateway.curation.sampling import Stratum
from gateway.forgetting import ForgettingFolder, Request
from tests.integration.controller.test_audit_commands import run
from tests.integration.controller.test_rollouts import Site
from tests.support.rollouts import MODEL
from tests.unit.controller.conftest import WORKERS


class Forgetful(Site):
    """A site whose loop also forgets, ahead of its rollouts."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.folder = ForgettingFolder(self.controller.data)
        self.begin()

    def begin(self) -> None:
        """As a process begins that has no memory of what was under way."""
        self.forgetting = self.controller.made_forgetting(self.rollouts, lambda: self.traffic.now_us)

    def step(self, seconds: float = 1.0) -> None:
        self.forgetting.step()
        super().step(seconds)

    def busiest(self) -> bytes:
        """The unit with most exchanges."""
        with self.controller.index._file.looking() as connection:
            query = "SELECT unit FROM exchanges GROUP BY unit ORDER BY count(*) DESC LIMIT 1"
            return bytes.fromhex(connection.execute(query).fetchone()[0])

    def ask(self, unit: bytes) -> Request:
        self.controller.clock.advance((self.traffic.now_us - self.controller.clock.now_us()) / 1e6)
        return self.forgetting.ask([unit], "ada")

    def with_one_who_goes_on(self) -> tuple[bytes, Request]:
        """A rollout, in which the only user there is asked to be forgotten, and comes back all the time."""
        self.start()
        self.run(5)
        self.traffic._users = 1
        self.run(5)
        unit = (0).to_bytes(16, "big")
        request = self.ask(unit)
        self.run(5)
        return unit, request

    def done_elsewhere(self, request: Request) -> None:
        for worker in WORKERS:
            self.folder.did(request, worker)

    def holds(self, *planted: bytes) -> list[str]:
        """The files that hold it."""
        files = [path for path in self.controller.data.root.rglob("*") if path.is_file()]
        return [path.name for path in files if any(each in path.read_bytes() for each in planted)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Forgetful]:
    made = Forgetful(tmp_path)
    yield made
    made.controller.close()


def test_a_rollout_goes_on_as_if_nobody_had_been_forgotten(site: Forgetful, tmp_path: Path) -> None:
    other = Site(tmp_path / "other")
    for each in (site, other):
        each.start()
        each.run(30)
    unit = site.busiest()
    request = site.ask(unit)
    while site.folder.requests() and not site.folder.requests()[0].decided:
        site.step()
        other.step()
    site.done_elsewhere(request)
    for each in (site, other):
        each.traffic._users = 1 << 62  # nobody comes back, so that both count the same units from here on
        each.run(30)
        each.traffic.canary = 0.4
        each.run(120)
    ended = site.folder.ended(request.name)
    assert ended is not None
    assert ended.exchanges >= 2
    assert site.status() == other.status() == "rolled_back"
    assert [made.evidence for made in site.decisions()] == [made.evidence for made in other.decisions()]
    assert site.holds(unit, unit.hex().encode()) == []
    verified = run("rollout", "verify", "--data", site.controller.data.root)
    assert verified.exit_code == 0, verified.output
    other.controller.close()


def test_whoever_dies_on_the_way_goes_on_there(site: Forgetful, monkeypatch: pytest.MonkeyPatch) -> None:
    site.start()
    site.run(20)
    unit = site.busiest()
    request = site.ask(unit)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    for part, word in (
        ("_folder", "decide"),
        ("_rollouts", "rename_unit"),
        ("_index", "change"),
        ("_labels", "forget"),
        ("_folder", "end"),
    ):
        with monkeypatch.context() as broken:
            broken.setattr(getattr(site.forgetting, part), word, killed)
            for _ in range(5):
                try:
                    site.forgetting.step()
                except Killed:
                    break
                site.step()
                if word == "end":
                    site.done_elsewhere(request)
            else:
                pytest.fail(f"{word} was never called")
        site.crash()
        site.begin()
    site.run(3)
    assert site.folder.ended(request.name) is not None
    assert site.holds(unit, unit.hex().encode()) == []


def test_what_comes_after_is_not_forgotten(site: Forgetful) -> None:
    unit, request = site.with_one_who_goes_on()
    site.done_elsewhere(request)
    site.run(2)
    found, _, _ = site.controller.index.of_units([unit], 0, 1 << 20)
    assert found
    assert min(each.time_us for each in found) > request.asked_us
    ended = site.folder.ended(request.name)
    assert ended is not None
    assert ended.exchanges > 100
    assert run("rollout", "verify", "--data", site.controller.data.root).exit_code == 0


def test_notes_of_people_go_and_what_they_decided_stays(site: Forgetful) -> None:
    site.start()
    site.run(5)
    unit = site.busiest()
    (first, *_), _, _ = site.controller.index.of_units([unit], 0, 1 << 20)
    said = Said(first.exchange_id, violates=True, principle="privacy", note="she told me so")
    label = Label(MODEL, said, "carol", site.traffic.now_us, first.time_us, Stratum("stable", flagged=False))
    site.controller.labels.add([label])
    request = site.ask(unit)
    site.run(2)
    site.done_elsewhere(request)
    site.run(2)
    ((_, kept),) = site.controller.labels.labels(MODEL, 0, 10)
    assert kept.said == msgspec.structs.replace(said, note="")
    assert site.holds(b"she told me so") == []


def test_two_at_once_and_a_process_that_is_slow(site: Forgetful) -> None:
    site.start()
    site.run(5)
    first, second = (number.to_bytes(16, "big") for number in (1, 2))
    site.traffic._users = 3
    site.run(5)
    requests = [site.ask(first), site.ask(second)]
    site.run(3)
    assert [site.forgetting.waits_for(each) for each in site.folder.requests()] == [WORKERS, WORKERS]
    site.folder.did(requests[0], "proxy-0")
    site.run(2)
    now = {each.name: site.forgetting.waits_for(each) for each in site.folder.requests()}
    assert now == {requests[0].name: ("scorer-0",), requests[1].name: WORKERS}
    for each in requests:
        site.done_elsewhere(each)
    site.run(2)
    assert site.folder.requests() == []


def test_a_person_has_a_hash_of_each_kind(site: Forgetful) -> None:
    request = site.forgetting.ask(site.forgetting.hashes_of("grace"), "ann")
    assert len(request.units) == 2
    assert len(set(request.units.values())) == 2
    assert "grace" not in msgspec.json.encode(request).decode()


def test_a_controller_that_begins_anew_does_not_touch_what_came_since(site: Forgetful) -> None:
    """Whoever comes back has a row of their own; renaming it too would collide, and stop every rollout."""
    unit, request = site.with_one_who_goes_on()
    assert site.forgetting.waits_for(site.folder.requests()[0]) == WORKERS
    site.crash()
    site.begin()
    site.run(5)
    assert len(site.controller.store.units(site.rollouts.all_running()[0].kept.state.rollout, [unit])) == 1
    site.done_elsewhere(request)
    site.run(2)
    assert site.folder.ended(request.name) is not None
    assert run("rollout", "verify", "--data", site.controller.data.root).exit_code == 0
