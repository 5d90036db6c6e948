"""What discovery makes of what servers say."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.proxy.arms import Arms, build_arms
from gateway.proxy.discovery import Discovery, NameMismatch, served_name
from gateway.proxy.ejection import EJECT_AFTER
from gateway.proxy.models import ModelList
from gateway.proxy.probing import Prober
from tests.support.manual_clock import ManualClock
from tests.unit.proxy.support import TWO_ARMS, FakeFetch, meters, models

A, B, C = "http://127.0.0.1:8001", "http://127.0.0.1:8002", "http://127.0.0.1:8003"


def listing(*names: str, length: int = 4096) -> bytes:
    data = [{"id": name, "object": "model", "owned_by": "vllm", "max_model_len": length} for name in names]
    return json.dumps({"object": "list", "data": data}).encode()


def version(number: str) -> bytes:
    return json.dumps({"version": number}).encode()


@pytest.fixture
def arms(tmp_path: Path) -> Arms:
    return build_arms(models(), meters(tmp_path), ManualClock(), lambda: 0.0)


def discover(arms: Arms, fetch: FakeFetch) -> tuple[Discovery, tuple[str, ...]]:
    discovery = Discovery(arms, fetch, lambda: 0.0)
    return discovery, asyncio.run(discovery.start())


@pytest.mark.parametrize(
    ("configured", "listed", "name"),
    [
        ("", ["assistant"], ""),
        ("", ["assistant", "other"], ""),
        ("", ["org/model-v12"], "org/model-v12"),
        ("", [], ""),
        ("lora-2", ["base", "lora-2"], "lora-2"),
        ("lora-2", [], "lora-2"),
    ],
)
def test_the_name_to_ask_for(configured: str, listed: list[str], name: str) -> None:
    assert served_name("assistant", configured, listed) == name


@pytest.mark.parametrize("configured", ["", "lora-2"])
def test_a_name_that_cannot_be_guessed_lists_what_there_is(configured: str) -> None:
    with pytest.raises(NameMismatch, match="base, lora-1"):
        served_name("assistant", configured, ["base", "lora-1"])


def test_arms_are_mapped_and_known(arms: Arms) -> None:
    answers: dict[str, bytes | int] = {
        A + "/v1/models": listing("assistant"),
        A + "/version": version("0.11.0"),
        B + "/v1/models": listing("org/v13"),
        B + "/version": 404,
        C + "/v1/models": listing("org/v13"),
        C + "/version": b"<html>",
    }
    discovery, mismatches = discover(arms, FakeFetch(answers))
    stable, canary = arms["assistant", "stable"], arms["assistant", "canary"]
    assert (mismatches, discovery.warnings) == ((), ())
    assert (stable.served_name, canary.served_name) == ("", "org/v13")
    assert canary.status().served_name == "org/v13"
    assert stable.endpoints[0].status().server_version == "0.11.0"
    assert [each.status().served_models for each in canary.endpoints] == [("org/v13",), ("org/v13",)]


def test_an_arm_that_is_down_is_a_warning_and_found_later(arms: Arms) -> None:
    fetch = FakeFetch({A + "/v1/models": listing("assistant")})
    discovery, mismatches = discover(arms, fetch)
    assert mismatches == ()
    assert [warning.split(" ")[0] for warning in discovery.warnings] == [A, B, C], "A has no /version"
    fetch.answers |= {A + "/version": 404, B + "/v1/models": listing("org/v13"), B + "/version": 404}
    asyncio.run(discovery.look(arms["assistant", "stable"]))
    asyncio.run(discovery.look(arms["assistant", "canary"]))
    assert arms["assistant", "canary"].served_name == "org/v13"
    assert [warning.split(" ")[0] for warning in discovery.warnings] == [C]


def test_a_mismatch_names_model_arm_and_what_there_is(arms: Arms) -> None:
    _, mismatches = discover(arms, FakeFetch({A + "/v1/models": listing("x", "y"), A + "/version": 404}))
    assert len(mismatches) == 1
    for part in ("'assistant'", "'stable'", "x, y"):
        assert part in mismatches[0]


def test_endpoints_of_one_arm_that_disagree_are_a_warning(arms: Arms) -> None:
    answers = dict.fromkeys((A + "/version", B + "/version", C + "/version"), 404)
    bodies = {
        A + "/v1/models": listing("assistant"),
        B + "/v1/models": listing("org/v13"),
        C + "/v1/models": listing("org/v12"),
    }
    discovery, mismatches = discover(arms, FakeFetch({**answers, **bodies}))
    assert mismatches == ()
    assert len(discovery.warnings) == 1
    assert C in discovery.warnings[0]


@pytest.mark.parametrize("answer", [401, 500, b"not json", b'{"data": 3}'])
def test_an_answer_that_lists_nothing_is_a_warning(arms: Arms, answer: bytes | int) -> None:
    discovery, mismatches = discover(arms, FakeFetch({A + "/v1/models": answer}))
    assert mismatches == ()
    assert "/v1/models answered" in discovery.warnings[0]


def test_a_server_replaced_by_another_version_is_mapped_anew(arms: Arms) -> None:
    fetch = FakeFetch({A + "/v1/models": listing("org/v12"), A + "/version": 404})
    discovery, _ = discover(arms, fetch)
    fetch.answers[A + "/v1/models"] = listing("org/v13")
    asyncio.run(discovery.look(arms["assistant", "stable"]))
    assert arms["assistant", "stable"].served_name == "org/v13"


def test_models_are_merged_under_the_configured_name(arms: Arms) -> None:
    answers: dict[str, bytes | int] = {
        A + "/v1/models": listing("org/v12", length=8192),
        A + "/version": 404,
        B + "/v1/models": listing("org/v13", length=2048),
        B + "/version": 404,
    }
    listed = ModelList(models(), arms, created=7)
    unknown = {"id": "assistant", "object": "model", "created": 7, "owned_by": "tipstaff"}
    assert json.loads(listed.all(["assistant"])) == {"object": "list", "data": [unknown]}
    discover(arms, FakeFetch(answers))
    known = unknown | {"owned_by": "vllm", "max_model_len": 2048}
    assert json.loads(listed.all(["assistant"]))["data"] == [known]
    assert json.loads(listed.one("assistant")) == known
    assert json.loads(listed.all([])) == {"object": "list", "data": []}


def test_only_what_is_ejected_is_probed(arms: Arms) -> None:
    canary = arms["assistant", "canary"]
    refused, failing = canary.endpoints
    for _ in range(EJECT_AFTER):
        refused.failed("refused")
    fetch = FakeFetch({})
    asyncio.run(Prober(arms, fetch).probe())
    assert fetch.asked == [B + "/health"]
    assert refused.health.ejected
    fetch.answers[B + "/health"] = 404
    asyncio.run(Prober(arms, fetch).probe())
    assert not refused.health.ejected
    fetch.asked.clear()
    asyncio.run(Prober(arms, fetch).probe())
    assert fetch.asked == []
    assert not failing.health.ejected


def test_a_server_that_is_not_well_stays_out(arms: Arms) -> None:
    endpoint = arms["assistant", "canary"].endpoints[0]
    for _ in range(EJECT_AFTER):
        endpoint.failed("refused")
    asyncio.run(Prober(arms, FakeFetch({B + "/health": 503})).probe())
    assert endpoint.health.ejected


def test_two_arms_on_one_server_ask_for_their_own_names(tmp_path: Path) -> None:
    raw = {
        "assistant": {
            "arms": {
                "stable": {"endpoints": [A], "model": "base"},
                "canary": {"endpoints": [A], "model": "lora-2"},
            }
        }
    }
    arms = build_arms(models(raw), meters(tmp_path), ManualClock(), lambda: 0.0)
    _, mismatches = discover(arms, FakeFetch({A + "/v1/models": listing("base", "lora-2"), A + "/version": 404}))
    assert mismatches == ()
    assert [arm.served_name for arm in arms.values()] == ["base", "lora-2"]


def test_the_order_of_arms_is_the_configurations(arms: Arms) -> None:
    assert list(arms) == [("assistant", name) for name in TWO_ARMS["assistant"]["arms"]]
