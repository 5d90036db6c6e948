import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.telemetry.logging import WITHHELD, configure
from tests.unit.controller.support import verdict_event


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def sink() -> io.StringIO:
    return io.StringIO()


def lines(sink: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_a_line_is_json_with_its_process_level_time_and_origin(sink: io.StringIO) -> None:
    configure("proxy-0", stream=sink)
    structlog.get_logger("gateway.somewhere").info("table taken", version=3)
    (line,) = lines(sink)
    assert line["timestamp"].endswith("Z")
    assert {key: line[key] for key in ("message", "version", "process", "level", "logger")} == {
        "message": "table taken",
        "version": 3,
        "process": "proxy-0",
        "level": "info",
        "logger": "gateway.somewhere",
    }


@pytest.mark.parametrize(
    "name", ["authorization", "Authorization", "api_key", "x-api-key", "token", "body", "prompt"]
)
def test_secrets_and_bodies_do_not_pass(sink: io.StringIO, name: str) -> None:
    configure("proxy-0", stream=sink)
    structlog.get_logger().info("request", **{name: "s3cret"}, headers={name: ["s3cret"]}, many=[{name: "s3cret"}])
    assert "s3cret" not in sink.getvalue()
    assert lines(sink)[0][name] == WITHHELD


def test_raw_bytes_objects_and_deep_nests_do_not_pass(sink: io.StringIO) -> None:
    configure("proxy-0", stream=sink)
    deep = {"a": {"b": {"c": {"d": {"e": "s3cret"}}}}}
    event = verdict_event(1, unit="s3cret")
    structlog.get_logger().info(
        "x", raw=b"s3cret", event_object=event, deep=deep, path=Path("/p"), error=OSError("o")
    )
    assert "s3cret" not in sink.getvalue()
    (line,) = lines(sink)
    assert (line["raw"], line["event_object"]) == ("[6 bytes]", "[VerdictV1]")
    assert (line["path"], line["error"]) == ("/p", "o")


@pytest.mark.parametrize("human", [True, False])
def test_a_traceback_shows_no_values(sink: io.StringIO, human: bool) -> None:  # noqa: FBT001 - a parameter
    configure("proxy-0", stream=sink, human=human)
    try:
        local_value = b"s3cret".decode()
        raise RuntimeError("went wrong")  # noqa: TRY301 - what is tested
    except RuntimeError:
        structlog.get_logger().exception("failed")
    assert local_value not in sink.getvalue()
    assert "RuntimeError: went wrong" in sink.getvalue()


def test_the_level_holds_for_ours_and_for_libraries(sink: io.StringIO) -> None:
    configure("proxy-0", "warning", sink)
    structlog.get_logger().info("quiet")
    logging.getLogger("uvicorn.error").info("quiet")
    logging.getLogger("uvicorn.error").warning("loud %s", "words")
    (line,) = lines(sink)
    assert (line["message"], line["process"], line["logger"]) == ("loud words", "proxy-0", "uvicorn.error")


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        configure("proxy-0", "loud")


def test_a_terminal_gets_readable_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    configure("proxy-0", stream=terminal)
    structlog.get_logger().info("table taken", version=3)
    assert "table taken" in terminal.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(terminal.getvalue())
