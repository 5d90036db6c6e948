"""Two gateways, one controller: whatever it decides holds on both, and outlives it."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.fleet import Fleet, arms_of, give
from tests.support.simulated import simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with simulated("v1", "v2") as (stable, canary):
        arms = {"stable": {"endpoints": [stable.url]}, "canary": {"endpoints": [canary.url]}}
        yield Fleet(tmp_path, arms)


@pytest.mark.timeout(300)
def test_what_one_controller_decides_holds_on_every_gateway(fleet: Fleet) -> None:
    lead, other = fleet.lead, fleet.other
    with lead, other:
        give(lead, 50)
        version = lead.status()["table"]["version"]
        until(lambda: other.status()["table"]["version"] == version, 10, "the table arrives", 0.02)
        until(lambda: arms_of(other) == arms_of(lead), 10, "users are dealt alike")
        assert {"stable", "canary"} == set(arms_of(other))

        began = time.monotonic()
        give(lead, 0)
        until(lambda: "canary" not in arms_of(other), 10, "the canary is gone there too", 0.01)
        print(f"a rollback reached the other gateway within {time.monotonic() - began:.2f} s")

        refused = tipstaff(
            *("weights", "assistant", "canary=10", "--reason", "here", "--admin", f"127.0.0.1:{other.admin_port}")
        )
        asked = tipstaff("rollout", "status", "assistant", "--admin", f"127.0.0.1:{other.admin_port}")
        told = tipstaff(
            *("rollout", "rollback", "assistant", "--reason", "x", "--admin", f"127.0.0.1:{other.admin_port}")
        )
        for each in (refused, asked, told):
            assert each.returncode != 0
            assert f"this gateway follows http://127.0.0.1:{lead.admin_port}" in each.stderr
        assert other.said(f"follows  http://127.0.0.1:{lead.admin_port}")
        assert other.metric("tipstaff_table_age_seconds") < 60
        until(lambda: other.status()["warnings"] == [], 10, "nothing is wrong")


@pytest.mark.timeout(300)
def test_the_last_table_outlives_its_controller_and_a_restart(fleet: Fleet) -> None:
    lead, other = fleet.lead, fleet.other
    with lead, other:
        give(lead, 50)
        until(lambda: arms_of(other) == arms_of(lead), 20, "users are dealt alike")
        before = arms_of(other)
        lead.stop()
        assert arms_of(other) == before
        other.stop()
        other.start()
        assert arms_of(other) == before
        lead.start()
        give(lead, 0)
        until(lambda: "canary" not in arms_of(other), 30, "it follows again")


@pytest.mark.timeout(300)
def test_what_is_wrong_is_said_and_users_are_served_by_the_first_arm(fleet: Fleet) -> None:
    (fleet.folder / "key2").write_text("6f" * 32)
    odd, stranger = fleet.follower("odd"), fleet.follower("stranger", token="wrong")
    odd.config.write_text(odd.config.read_text().replace(str(fleet.folder / "key"), str(fleet.folder / "key2")))
    with fleet.lead, closing(odd), closing(stranger):
        give(fleet.lead, 50)
        odd.launch()
        until(lambda: warned(odd, "give both the same unit_key_file"), 60, "another key is refused")
        stranger.launch()
        until(lambda: warned(stranger, "answers 401"), 60, "a wrong token is refused")
        assert set(arms_of(odd)) == set(arms_of(stranger)) == {"stable"}
        assert odd.admin.get("/readyz").status_code == 503


def warned(stack: Stack, words: str) -> bool:
    try:
        return any(words in warning for warning in stack.status()["warnings"])
    except (httpx.TransportError, httpx.HTTPStatusError):
        return False  # it is still starting
