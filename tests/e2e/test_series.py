"""However many models, routes, methods and users somebody makes up, `/metrics` has no series more."""

from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.people import question
from tests.support.simulated import simulated
from tests.support.stack import Stack
from tests.support.wait import until

MADE_UP = 10_000


def series(stack: Stack) -> set[tuple[object, ...]]:
    text = stack.admin.get("/metrics").raise_for_status().text
    families = text_string_to_metric_families(text)
    return {(each.name, *sorted(each.labels.items())) for family in families for each in family.samples}


def ask(client: httpx.Client, number: int) -> None:
    """Something that nobody has asked for yet."""
    user = {"x-user-id": f"user-{number}"}
    if number % 4 == 0:
        client.post("/v1/chat/completions", json=question(f"made-up-{number}"), headers=user)
    elif number % 4 == 1:
        client.post(f"/v1/made/up/{number}", json={}, headers=user)
    elif number % 4 == 2:
        client.request(f"MADE{number}", "/v1/models", headers=user)
    else:
        client.post("/v1/chat/completions", json=question("assistant", max_tokens=1), headers=user)


@pytest.mark.timeout(300)
def test_nobody_from_outside_makes_a_series(tmp_path: Path) -> None:
    with simulated("v1") as (model,):
        models = {"assistant": {"unit": ["header:x-user-id"], "arms": {"stable": {"endpoints": [model.url]}}}}
        with (
            Stack(tmp_path, models, scoring={"encoder": "none"}) as stack,
            httpx.Client(base_url=stack.url, timeout=60) as client,
        ):
            for number in range(40):
                ask(client, number)
            until(lambda: stack.metric("tipstaff_exchanges_scored_total") >= 10, 30, "they are scored")
            before = series(stack)
            for number in range(40, MADE_UP):
                ask(client, number)
            scored = MADE_UP // 4
            until(
                lambda: stack.metric("tipstaff_exchanges_scored_total") >= scored, 60, "the others are scored too"
            )
            assert series(stack) <= before
