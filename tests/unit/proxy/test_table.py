"""Which routing table a proxy acts on."""

import os
from pathlib import Path

import pytest

from gateway.core.routing import ArmShare, ModelRoute, RoutingTable
from gateway.proxy.table import TableWatch, fitted
from gateway.tablefile import write_table
from gateway.telemetry.metrics import TABLE_VERSION, Meters
from tests.support.manual_clock import ManualClock
from tests.unit.proxy.support import NOW_US, meters, models, table


@pytest.fixture
def its_meters(tmp_path: Path) -> Meters:
    return meters(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "table.json"


def watch(path: Path, its_meters: Meters, *, adopt: bool = False, known_store: str = "") -> TableWatch:
    return TableWatch(path, models(), ManualClock(), its_meters, adopt=adopt, known_store=known_store)


def canary(of: TableWatch) -> float:
    return of.table.models["assistant"].weight("canary")


def test_without_a_table_the_first_arm_serves_whatever_the_configuration_wishes(
    path: Path, its_meters: Meters
) -> None:
    its = watch(path, its_meters)
    route = its.table.models["assistant"]
    assert (canary(its), route.weight("stable"), route.decided_by) == (0.0, 1.0, "safety")
    assert not its.loaded


def test_a_table_on_disk_is_there_from_the_start(path: Path, its_meters: Meters) -> None:
    write_table(path, table(3, canary=0.25))
    its = watch(path, its_meters)
    assert its.loaded
    assert canary(its) == 0.25
    assert its_meters.gauge(TABLE_VERSION).value == 3


def test_a_newer_table_is_taken_an_older_one_is_not(path: Path, its_meters: Meters) -> None:
    its = watch(path, its_meters)
    for version, weight, then in ((2, 0.2, 0.2), (3, 0.3, 0.3), (1, 0.9, 0.3), (4, 0.4, 0.4)):
        write_table(path, table(version, canary=weight))
        its.poll()
        assert canary(its) == then
        assert bool(its.warnings) == (version == 1)


def test_a_new_epoch_goes_before_any_version(path: Path, its_meters: Meters) -> None:
    write_table(path, table(9, epoch=1))
    its = watch(path, its_meters)
    write_table(path, table(1, epoch=2, canary=0.5))
    its.poll()
    assert canary(its) == 0.5


def test_another_stores_table_is_refused_and_said_so(path: Path, its_meters: Meters) -> None:
    write_table(path, table(1))
    its = watch(path, its_meters)
    write_table(path, table(99, store="other", canary=0.9))
    its.poll()
    assert canary(its) == 0.1
    assert "--adopt" in its.warnings[0]
    write_table(path, table(2, canary=0.2))
    its.poll()
    assert (canary(its), its.warnings) == (0.2, ())


def test_a_restarted_proxy_remembers_whose_table_it_followed(path: Path, its_meters: Meters) -> None:
    write_table(path, table(1, store="other"))
    its = watch(path, its_meters, known_store="store")
    assert not its.loaded
    assert its.table.models["assistant"].weight("canary") == 0
    assert "--adopt" in its.warnings[0]
    assert watch(path, its_meters, known_store="other").loaded
    assert watch(path, its_meters, known_store="store", adopt=True).loaded


def test_adopt_takes_another_stores_table(path: Path, its_meters: Meters) -> None:
    write_table(path, table(7))
    its = watch(path, its_meters, adopt=True)
    write_table(path, table(1, store="other", canary=0.9))
    its.poll()
    assert (its.table.store_id, canary(its)) == ("other", 0.9)


def test_a_lost_or_broken_file_leaves_the_table_in_force(path: Path, its_meters: Meters) -> None:
    write_table(path, table(1, canary=0.3))
    its = watch(path, its_meters)
    path.write_bytes(b'{"store_id": "sto')
    its.poll()
    assert canary(its) == 0.3
    assert "no routing table" in its.warnings[0]
    path.unlink()
    its.poll()
    assert canary(its) == 0.3


def test_an_unchanged_file_is_not_read_again(
    path: Path, its_meters: Meters, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(path, table(1))
    its = watch(path, its_meters)
    monkeypatch.setattr("gateway.proxy.table.read_table", lambda _: pytest.fail("read again"))
    its.poll()


def test_a_file_of_the_same_time_and_size_is_read_for_its_inode(path: Path, its_meters: Meters) -> None:
    write_table(path, table(1, canary=0.1))
    os.utime(path, ns=(1, 1))
    its = watch(path, its_meters)
    write_table(path, table(2, canary=0.2))
    os.utime(path, ns=(1, 1))
    its.poll()
    assert canary(its) == 0.2


def routed(*shares: tuple[str, float], salt: bytes = b"salt") -> RoutingTable:
    arms = tuple(ArmShare(arm, weight) for arm, weight in shares)
    return RoutingTable("store", 1, 1, {"assistant": ModelRoute(salt, arms, "operator", NOW_US)})


@pytest.mark.parametrize(
    ("shares", "weights", "repaired"),
    [
        ((("stable", 0.9), ("canary", 0.1)), {"stable": 0.9, "canary": 0.1}, False),
        ((("stable", 0.9),), {"stable": 1.0, "canary": 0.0}, False),
        ((("stable", 0.5), ("gone", 0.4), ("canary", 0.1)), {"stable": 0.9, "canary": 0.1}, True),
        ((("gone", 0.9), ("canary", 0.1)), {"stable": 0.9, "canary": 0.1}, True),
        ((("stable", 0.0), ("canary", 7.0)), {"stable": 1.0, "canary": 0.0}, True),
        ((("stable", 1.0), ("canary", -0.5)), {"stable": 1.0, "canary": 0.0}, True),
        ((("stable", 1.0), ("canary", float("nan"))), {"stable": 1.0, "canary": 0.0}, True),
        ((), {"stable": 1.0, "canary": 0.0}, False),
    ],
)
def test_a_table_is_made_to_fit(
    *, shares: tuple[tuple[str, float], ...], weights: dict[str, float], repaired: bool
) -> None:
    fit, warnings = fitted(routed(*shares), models(), NOW_US)
    route = fit.models["assistant"]
    assert {share.arm: pytest.approx(share.weight) for share in route.arms} == weights
    assert route.arms[0].arm == "stable"
    assert bool(warnings) == repaired


def test_the_tables_order_of_arms_decides_the_buckets() -> None:
    fit, _ = fitted(routed(("canary", 0.9), ("stable", 0.1)), models(), NOW_US)
    assert [share.arm for share in fit.models["assistant"].arms] == ["canary", "stable"]


def test_a_model_that_the_table_does_not_know_or_cannot_hash_is_safe() -> None:
    for bad in (RoutingTable("store", 1, 1, {}), routed(("stable", 0.1), ("canary", 0.9), salt=bytes(65))):
        fit, warnings = fitted(bad, models(), NOW_US)
        assert fit.models["assistant"].weight("canary") == 0.0
        assert fit.models["assistant"].decided_by == "safety"
        assert warnings


def test_models_that_are_not_configured_are_left_out() -> None:
    extra = RoutingTable("store", 1, 1, {**table().models, "gone": table().models["assistant"]})
    assert list(fitted(extra, models(), NOW_US)[0].models) == ["assistant"]
