"""Arms as the configuration has them."""

import ssl
from pathlib import Path

import pytest

from gateway.proxy.arms import build_arms
from gateway.settings import ConfigError
from tests.support.manual_clock import ManualClock
from tests.unit.proxy.support import meters, models


def test_keys_trust_and_fail_over_are_set_up(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-secret\n")
    raw = {
        "assistant": {
            "arms": {
                "stable": {"endpoints": ["http://a:1"]},
                "canary": {
                    "endpoints": ["https://b", "http://c:2"],
                    "api_key_file": str(tmp_path / "key"),
                    "tls_verify": False,
                    "fail_over": "stable",
                    "model": "lora",
                },
            }
        }
    }
    arms = build_arms(models(raw), meters(tmp_path), ManualClock(), lambda: 0.0)
    stable, canary = arms.values()
    assert (stable.endpoints[0].authorization, stable.endpoints[0].ssl) == (None, None)
    assert {endpoint.authorization for endpoint in canary.endpoints} == {b"Bearer sk-secret"}
    secure, plain = canary.endpoints
    assert secure.ssl is not None
    assert secure.ssl.verify_mode == ssl.CERT_NONE
    assert plain.ssl is None
    assert (canary.fail_over, canary.served_name) == ("stable", "lora")


def test_every_problem_is_named_with_its_key(tmp_path: Path) -> None:
    raw = {
        "assistant": {
            "arms": {
                "stable": {"endpoints": ["http://a:1"], "api_key_file": str(tmp_path / "none")},
                "canary": {"endpoints": ["https://b"], "ca": str(tmp_path / "nothing.pem")},
            }
        }
    }
    with pytest.raises(ConfigError) as caught:
        build_arms(models(raw), meters(tmp_path), ManualClock(), lambda: 0.0)
    first, second = caught.value.problems
    assert first.startswith("models.assistant.arms.stable.api_key_file: ")
    assert second.startswith("models.assistant.arms.canary.ca: ")
