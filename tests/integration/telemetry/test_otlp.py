"""OpenTelemetry's exporter against a collector on a socket that does not do as it should."""

import logging
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from gateway.telemetry.otlp import OtlpExporter
from tests.support.collector import Collector, collector
from tests.support.manual_clock import ManualClock

SPANS = [ReadableSpan(f"span {number}", context=SpanContext(1, number + 1, is_remote=False)) for number in range(5)]


@pytest.fixture
def to() -> Iterator[Collector]:
    with collector() as made:
        yield made


def exported(to: Collector) -> int:
    exporter = OtlpExporter(f"{to.url}/v1/traces", ManualClock(0))
    try:
        return exporter.export(SPANS)
    finally:
        exporter.shutdown()


def test_all_are_taken(to: Collector) -> None:
    assert exported(to) == len(to.spans) == 5


@pytest.mark.parametrize("status", [301, 307, 400, 401])
def test_what_is_no_success_is_none(to: Collector, status: int) -> None:
    to.status = status
    assert exported(to) == 0


def test_what_a_collector_rejects_is_not_taken(to: Collector) -> None:
    to.rejects = 3
    assert exported(to) == 2


def test_others_variables_neither_turn_nor_stop_it(to: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    assert exported(to) == 5


def test_a_header_that_cannot_be_read_is_not_quoted(
    to: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    OtlpExporter(f"{to.url}/v1/traces", ManualClock(0)).shutdown()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer sekret-of-the-collector")
    with caplog.at_level(logging.WARNING):
        assert exported(to) == 5
    assert "is not name=value" in caplog.text
    assert "sekret" not in caplog.text
