"""What a proxy says of itself."""

from pathlib import Path

import msgspec
import pytest

from gateway.core.status import ProxyStatus
from gateway.proxy.arms import build_arms
from gateway.proxy.ejection import EJECT_AFTER
from gateway.proxy.status import StatusFile
from gateway.proxy.table import TableWatch
from gateway.tablefile import write_table
from tests.support.manual_clock import ManualClock
from tests.unit.proxy.support import meters, models, table


class Proxy:
    """The parts that a status file reports on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.draining = False
        self.clock = ManualClock()
        its_meters = meters(folder)
        self.arms = build_arms(models(), its_meters, self.clock, lambda: 0.0)
        self.watch = TableWatch(folder / "table.json", models(), self.clock, its_meters)
        self.status = StatusFile(
            folder / "status" / "proxy-0.json",
            process="proxy-0",
            address="127.0.0.1:8080",
            arms=self.arms,
            watch=self.watch,
            clock=self.clock,
            draining=lambda: self.draining,
            warnings=[lambda: ("the disk is full",), lambda: ()],
        )

    def take(self, version: int) -> None:
        write_table(self.folder / "table.json", table(version))
        self.watch.poll()

    def written(self) -> ProxyStatus:
        self.status.write()
        content = (self.folder / "status" / "proxy-0.json").read_bytes()
        return msgspec.json.decode(content, type=ProxyStatus)


@pytest.fixture
def proxy(tmp_path: Path) -> Proxy:
    return Proxy(tmp_path)


def test_it_is_ready_with_a_table_and_until_it_drains(proxy: Proxy) -> None:
    assert not proxy.written().ready
    proxy.take(5)
    assert proxy.written().ready
    proxy.draining = True
    assert (proxy.written().ready, proxy.written().draining) == (False, True)


def test_it_says_which_table_and_which_endpoints(proxy: Proxy) -> None:
    proxy.take(5)
    for _ in range(EJECT_AFTER):
        proxy.arms["assistant", "canary"].endpoints[1].failed("timeout")
    said = proxy.written()
    assert (said.store_id, said.table_epoch, said.table_version) == ("store", 1, 5)
    assert [(arm.model, arm.arm) for arm in said.arms] == list(proxy.arms)
    ejected = said.arms[1].endpoints[1]
    assert (ejected.healthy, ejected.ejected_for) == (False, "timeout")
    assert ejected.returns_at_us == proxy.clock.now_us() + 1_000_000
    assert said.written_at_us == proxy.clock.now_us()


def test_every_parts_warnings_are_in_it(proxy: Proxy) -> None:
    (proxy.folder / "table.json").write_bytes(b"{}")
    proxy.watch.poll()
    said = proxy.written().warnings
    assert len(said) == 2
    assert "the disk is full" in said


def test_a_disk_that_is_full_costs_the_report_only(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = proxy.written()
    with monkeypatch.context() as patch:
        patch.setattr("gateway.atomicfile.write", full)
        proxy.clock.advance(1)
        proxy.status.write()
    assert proxy.written().written_at_us > before.written_at_us
