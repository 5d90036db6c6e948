"""Traces in a real OTLP/HTTP collector: whose they are, what they say, and what they never lose in silence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from gateway.demo.behaviour import Behaviour
from gateway.demo.wording import topics
from tests.support.collector import Collector, attributes, collector
from tests.support.people import People
from tests.support.simulated import simulated
from tests.support.stack import Stack
from tests.support.wait import until

THEIRS, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
QUESTION = next(said for said, topic in topics().items() if not topic.unsafe)
LEAKING = Behaviour(first_token=0.002, token=0.0005, leaking=1.0)


@contextmanager
def gateway(folder: Path, to: Collector, *, sample: float, canary: float = 0.0) -> Iterator[Stack]:
    """A well-behaved arm, and one that leaks, which `canary` percent of all get; rules are what reads them."""
    with simulated("acme/v1") as (stable,), simulated("acme/v2", behaviour=LEAKING) as (leaking,):
        arms = {"stable": {"endpoints": [stable.url]}, "canary": {"endpoints": [leaking.url], "weight": canary}}
        traces = {"endpoint": to.url, "sample": sample}
        models = {"assistant": {"arms": arms}}
        environment = {"OTEL_EXPORTER_OTLP_HEADERS": "x-scope=team-a"}
        scoring = {"encoder": "none"}
        with Stack(folder, models, scoring=scoring, traces=traces, environment=environment) as stack:
            yield stack


def ask(stack: Stack, **headers: str) -> str:
    """One question; the exchange's id."""
    body = {"model": "assistant", "messages": [{"role": "user", "content": QUESTION}]}
    answer = stack.client.post("/v1/chat/completions", json=body, headers=headers)
    return str(answer.raise_for_status().headers["x-tipstaff-exchange"])


def arm_of(stack: Stack, identifier: str) -> str:
    return str(stack.exchange(identifier)["assignment"]["arm"])


def events(span: Span, name: str) -> list[dict[str, Any]]:
    return [attributes(each.attributes) for each in span.events if each.name == name]


def accounted(stack: Stack) -> tuple[float, float, float]:
    """Started, exported and dropped."""
    started, exported, dropped = (
        stack.metric(f"tipstaff_spans_{word}_total") for word in ("started", "exported", "dropped")
    )
    return started, exported, dropped


def test_a_collector_gets_one_span_of_each_exchange(tmp_path: Path) -> None:
    with collector() as to, gateway(tmp_path, to, sample=1.0, canary=50) as stack:
        asked = [ask(stack, **{"x-user-id": f"user-{number}"}) for number in range(20)]
        until(lambda: len(to.spans) >= 20, 30, "all spans are there", 0.1)
        until(lambda: accounted(stack) == (20, 20, 0), 10, "all spans are counted", 0.1)
        assert to.services == {"tipstaff"}
        assert to.headers["x-scope"] == "team-a"
        for identifier in asked:
            (span,) = to.of(identifier)
            shown = stack.exchange(identifier)
            arm = shown["assignment"]["arm"]
            assert shown["trace_id"] == identifier
            said = attributes(span.attributes)
            assert (span.name, span.kind, span.status.code) == ("chat assistant", Span.SPAN_KIND_CLIENT, 0)
            assert said["tipstaff.exchange.id"] == identifier
            assert said["tipstaff.arm"] == arm
            assert said["gen_ai.response.finish_reasons"]
            assert said["gen_ai.usage.output_tokens"] > 0
            (assigned,) = events(span, "feature_flag.evaluation")
            assert assigned["feature_flag.result.variant"] == arm
            verdict = [each["gen_ai.evaluation.name"] for each in events(span, "gen_ai.evaluation.result")]
            assert verdict[0] == "constitution"
            assert (len(verdict) > 1) == (arm == "canary"), verdict
            assert QUESTION[:20] not in str(span)


def test_a_clients_trace_goes_on_and_violations_are_always_there(tmp_path: Path) -> None:
    with collector() as to, gateway(tmp_path, to, sample=0.0, canary=50) as stack:
        asked = [ask(stack, **{"x-user-id": f"user-{number}"}) for number in range(30)]
        theirs = ask(stack, traceparent=f"00-{THEIRS}-{PARENT}-01")
        stack.settled()
        bad = {identifier for identifier in asked if arm_of(stack, identifier) == "canary"}
        assert 5 < len(bad) < 25
        until(lambda: len(to.spans) >= len(bad) + 1, 30, "their spans are there", 0.1)
        traced = bad | {THEIRS}
        assert {span.trace_id.hex() for span in to.spans} == traced
        (ours,) = to.of(THEIRS)
        assert ours.parent_span_id.hex() == PARENT
        assert ours.span_id.hex() == theirs[16:]
        answer = stack.admin.get("/metrics", headers={"accept": "application/openmetrics-text"})
        exemplars = [line.partition(" # ")[2] for line in answer.text.splitlines() if " # " in line]
        assert exemplars
        assert all(any(f'trace_id="{identifier}"' in each for identifier in traced) for each in exemplars)


@pytest.mark.timeout(120)
def test_what_a_collector_does_not_take_is_counted_and_nobody_waits(tmp_path: Path) -> None:
    with collector() as to, gateway(tmp_path, to, sample=1.0) as stack:
        to.status = 400
        people = People(stack.url, "assistant")
        with people.asking(2):
            until(lambda: accounted(stack)[2] > 20, 60, "spans are dropped", 0.2)
        assert people.broken == 0
        to.status = 200
        last = ask(stack)
        until(lambda: bool(to.of(last)), 30, "the next are taken", 0.1)
        stack.kill("scorer-0")
        ask(stack)
        stack.settled()
        until(lambda: accounted(stack)[0] >= len(people.answered) + 2, 30, "the next scorer has told", 0.1)
        until(lambda: accounted(stack)[0] == sum(accounted(stack)[1:]), 30, "all is accounted for", 0.1)
        assert stack.metric("tipstaff_spans_dropped_total", reason="not_taken") > 20


def test_an_endpoint_that_fails_is_an_error_in_its_span(tmp_path: Path) -> None:
    with collector() as to, gateway(tmp_path, to, sample=1.0) as stack:
        asked = stack.client.post("/v1/chat/completions", json={"model": "assistant", "messages": "nonsense"})
        assert asked.status_code == 400
        until(lambda: bool(to.spans), 30, "its span is there", 0.1)
        (span,) = to.spans
        assert span.status.code == Status.STATUS_CODE_ERROR
        assert attributes(span.attributes)["error.type"] == "400"
