"""Logs: JSON lines for machines, readable ones on a terminal, and never a body or a key in them.

Everything goes through here, uvicorn's and other libraries' standard logging included.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import IO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LEVEL_VARIABLE = "TIPSTAFF_LOG_LEVEL"
"""Environment variable: debug, info, warning or error."""

WITHHELD = "[withheld]"
_SECRET_KEYS = frozenset(
    {
        "admin_token",
        "answer",
        "answers",
        "api_key",
        "apikey",
        "authorization",
        "body",
        "completion",
        "content",
        "cookie",
        "credential",
        "key",
        "messages",
        "passphrase",
        "password",
        "payload",
        "prompt",
        "proxy_authorization",
        "request_body",
        "response_body",
        "secret",
        "set_cookie",
        "text",
        "token",
        "unit_key",
        "user_id",
        "x_api_key",
    }
)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_STRUCTLOGS_OWN = frozenset({"exc_info", "stack_info", "event", "level", "timestamp", "process", "logger"})
_DEPTH = 4


def withhold_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A processor: values under names that carry secrets or texts, raw bytes and whole objects do not pass.

    It looks into mappings and sequences, four levels deep, and withholds what lies deeper. Of an object it
    leaves the type's name: its repr may hold a body. Tracebacks pass, as they are rendered without values.
    """
    return {
        key: value if key in _STRUCTLOGS_OWN or key.startswith("_") else _clean(key, value, _DEPTH)
        for key, value in event.items()
    }


def _clean(key: str, value: object, depth: int) -> object:
    if key.lower().replace("-", "_") in _SECRET_KEYS:
        return WITHHELD
    if isinstance(value, Mapping | list | tuple):
        return _clean_inside(value, depth - 1) if depth else WITHHELD
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, PurePath | BaseException):
        return str(value)
    return f"[{type(value).__name__}]"


def _clean_inside(values: Mapping[object, object] | Sequence[object], depth: int) -> object:
    if isinstance(values, Mapping):
        return {str(name): _clean(str(name), inner, depth) for name, inner in values.items()}
    return [_clean("", inner, depth) for inner in values]


def configure(
    process: str, level: str = "info", stream: IO[str] | None = None, *, human: bool | None = None
) -> None:
    """Set logging up for the whole process; every line carries `process` as its name.

    `level`: debug, info, warning or error. `stream` (default standard error) gets JSON lines, or readable ones
    when it is a terminal; `human` decides that by hand. Raises ValueError for another level.
    """
    if level.lower() not in _LEVELS:
        raise ValueError(f"{level!r} is no log level: give {', '.join(_LEVELS)} ({LEVEL_VARIABLE})")
    target = sys.stderr if stream is None else stream
    readable = target.isatty() if human is None else human
    shared = _shared(process, readable=readable)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(_formatter(shared, readable=readable))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[level.lower()])
    _quiet_libraries(_LEVELS[level.lower()])


def _shared(process: str, *, readable: bool) -> list[Processor]:
    def name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if readable else "iso", utc=not readable)
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        name_process,
        stamp,
        withhold_secrets,
    ]


def _formatter(shared: list[Processor], *, readable: bool) -> structlog.stdlib.ProcessorFormatter:
    tail: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if readable:
        tail.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    else:
        tail += [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=tail)


def _quiet_libraries(level: int) -> None:
    """Uvicorn's loggers hand over to ours; the HTTP clients' lines name every URL and are for debugging."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING if level > logging.DEBUG else logging.DEBUG)
