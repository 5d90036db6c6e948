"""The person on call: paged, with everything in the page, when a canary is bad; and left alone when all is well."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.demo.behaviour import Behaviour, steady
from gateway.demo.wording import prompts
from tests.support.alertmanager import Alertmanager, alertmanager
from tests.support.components import ComponentUse, requires
from tests.support.people import People
from tests.support.plans import HARM
from tests.support.prometheus import Alerting, Prometheus, prometheus
from tests.support.simulated import QUICK, simulated
from tests.support.stack import Stack
from tests.support.wait import until

PROMETHEUS = Path(__file__).parents[2] / "dashboards" / "prometheus"
RULES = (PROMETHEUS / "recording.rules.yml", PROMETHEUS / "alerts.rules.yml")
LEAKING = Behaviour(first_token=0.002, token=0.0005, leaking=0.5)
CLIENTS = 4
AT_THE_START = ("TipstaffTargetAbsent", "TipstaffNoVerdicts")
"""Pending for a moment: nothing is scraped yet, nothing is scored yet."""
OF_THE_MACHINE = ("TipstaffOverhead", "TipstaffTargetDown")
"""Pending where other tests have the cores: then a scrape may take longer than its second."""


@contextmanager
def watched(stack: Stack, components: ComponentUse, folder: Path) -> Iterator[tuple[Prometheus, Alertmanager]]:
    """A Prometheus with our rules in front of a gateway, and an Alertmanager behind it."""
    with alertmanager(components.path("alertmanager"), folder) as pager:
        alerting = Alerting(RULES, pager.address)
        program, target = components.path("prometheus"), f"127.0.0.1:{stack.admin_port}"
        with prometheus(program, target, folder, alerting) as server:
            until(lambda: set(server.rules().values()) == {"ok"}, 20, "every rule is evaluated", 0.2)
            yield server, pager


@contextmanager
def rollout(folder: Path, canary_behaviour: Behaviour) -> Iterator[Stack]:
    """A gateway with a rollout under way, whose canary behaves so."""
    with simulated("v1", "v2", behaviour=QUICK) as (stable, canary):
        canary.begin(steady(canary_behaviour))
        arms = {
            "stable": {"endpoints": [stable.url], "version": "1"},
            "canary": {"endpoints": [canary.url], "version": "2"},
        }
        models = {"assistant": {"unit": ["header:x-user-id"], "arms": arms}}
        with Stack(folder, models, scoring={"encoder": "none"}) as stack:
            stack.start_rollout("assistant", HARM)
            yield stack


@requires("prometheus")
@requires("alertmanager")
@pytest.mark.timeout(300)
def test_a_bad_canary_pages_with_everything_in_the_page(components: ComponentUse, tmp_path: Path) -> None:
    with rollout(tmp_path, LEAKING) as stack, watched(stack, components, tmp_path) as (_, pager):
        with strangers(stack).asking(CLIENTS):
            until(lambda: rolled_back(pager), 90, "the page of the rollback", 0.2)
        (page,) = rolled_back(pager)
        labels, annotations = page["labels"], page["annotations"]
        assert (labels["model"], labels["arm"], labels["severity"]) == ("assistant", "canary", "page")
        assert annotations["summary"].startswith("assistant: canary was rolled back")
        assert "Principle that stands out against the other arms: leaked_data (" in annotations["description"]
        assert evidence(annotations["description"]) >= 20
        assert "strongest for the guardrail harm." in annotations["description"]
        assert annotations["runbook_url"] == "http://localhost:9191/runbook/TipstaffRolledBack"
        assert pager.received.alerts("chat") == []


@requires("prometheus")
@requires("alertmanager")
@pytest.mark.timeout(300)
def test_nobody_is_called_when_all_is_well(components: ComponentUse, tmp_path: Path) -> None:
    with rollout(tmp_path, QUICK) as stack, watched(stack, components, tmp_path) as (server, pager):
        people = strangers(stack)
        with people.asking(CLIENTS):
            until(lambda: len(people.answered) > 1500, 90, "traffic")
        stack.settled()
        until(lambda: scraped(server) == len(people.answered), 20, "Prometheus has seen all of it", 0.2)
        until(lambda: set(server.rules().values()) == {"ok"}, 20, "every rule is evaluated on it", 0.2)
        assert people.broken == 0
        assert alerts(server, "firing") == set()
        assert alerts(server, "pending") <= {*AT_THE_START, *OF_THE_MACHINE}
        assert [pager.received.alerts(receiver) for receiver in ("pager", "chat")] == [[], []]


def strangers(stack: Stack) -> People:
    return People(stack.url, "assistant", strangers=True, prompts=prompts(unsafe=False))


def rolled_back(pager: Alertmanager) -> list[dict[str, dict[str, str]]]:
    return [each for each in pager.received.alerts("pager") if each["labels"]["alertname"] == "TipstaffRolledBack"]


def evidence(description: str) -> float:
    """The e-value of "worse" in the text."""
    said = description.partition('E of "worse" ')[2].partition(",")[0]
    return float(said)


def alerts(server: Prometheus, state: str) -> set[str]:
    """Names of all alerts that were ever in this state while Prometheus has been running."""
    found = server.query(f'count_over_time(ALERTS{{alertstate="{state}"}}[1h])')
    return {labels["alertname"] for labels, _ in found}


def scraped(server: Prometheus) -> float:
    return sum(value for _, value in server.query("sum(tipstaff_exchanges_scored_total)"))
