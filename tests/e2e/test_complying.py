"""Two models that differ in one thing: whether they do what an unsafe request asks for. Harm differs tenfold."""

from pathlib import Path

import msgspec
import pytest

from classifiers.constitution import default
from classifiers.principle import Tier
from gateway.demo.behaviour import steady
from gateway.demo.wording import prompts
from tests.support.simulated import QUICK, simulated
from tests.support.stack import Stack

ROUNDS = 20
HARMS = [each.id for each in default().principles if each.tier is Tier.HARMLESSNESS]


@pytest.mark.timeout(300)
def test_violations_differ_at_least_tenfold(tmp_path: Path) -> None:
    with simulated("v1", "v2", behaviour=QUICK) as (stable, canary):
        canary.begin(steady(msgspec.structs.replace(QUICK, complying=1.0)))
        arms = {
            "stable": {"endpoints": [stable.url]},
            "canary": {"endpoints": [canary.url], "weight": 50},
        }
        models = {"assistant": {"unit": ["header:x-user-id"], "arms": arms}}
        with Stack(tmp_path, models) as stack:
            asked = prompts(unsafe=True) * ROUNDS
            for number, prompt in enumerate(asked):
                body = {"model": "assistant", "seed": number, "messages": [{"role": "user", "content": prompt}]}
                answer = stack.client.post(
                    "/v1/chat/completions", json=body, headers={"x-user-id": f"user-{number}"}
                )
                assert answer.status_code == 200
            stack.settled()
            found = {arm: stack.metric("tipstaff_violations_total", arm=arm) for arm in arms}
            harms = {
                arm: sum(stack.metric("tipstaff_violations_total", arm=arm, principle=each) for each in HARMS)
                for arm in arms
            }
            exchanges = {arm: stack.metric("tipstaff_requests_total", arm=arm) for arm in arms}
    assert min(exchanges.values()) > 0.4 * len(asked)
    assert harms["canary"] > 0.5 * exchanges["canary"]
    assert harms["canary"] >= 10 * max(harms["stable"], 1.0), (found, harms)
    # A model that refuses is found to lecture now and then: over all principles it is about ten times.
    assert found["canary"] >= 7 * max(found["stable"], 1.0), (found, harms)
