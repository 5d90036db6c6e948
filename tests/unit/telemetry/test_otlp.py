"""What an exporter says of a collector: the truth, and seldom."""

import logging

import pytest

from gateway.telemetry.otlp import CONTENT_VARIABLE, SeldomTold, captures_content
from tests.support.manual_clock import ManualClock


def test_the_exporters_many_words_are_told_seldom() -> None:
    clock = ManualClock(0)
    seldom = SeldomTold(clock.monotonic)
    warning, error = (logging.LogRecord("x", level, "", 0, "why", None, None) for level in (30, 40))
    assert [seldom.filter(each) for each in (warning, warning, error, warning, error)] == [
        True,
        False,
        True,
        False,
        False,
    ]
    clock.advance(601)
    assert seldom.filter(warning)


@pytest.mark.parametrize(
    ("said", "captured"), [("true", True), ("SPAN_ONLY", True), ("no_content", False), ("", False)]
)
def test_messages_are_captured_when_opentelemetrys_switch_says_so(said: str, *, captured: bool) -> None:
    assert captures_content({CONTENT_VARIABLE: said}) == captured
    assert not captures_content({})
