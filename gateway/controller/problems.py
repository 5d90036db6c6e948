"""Errors of the admin API, as RFC 9457 problem details."""

import sqlite3
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from classifiers.problem import Refused as FileRefused
from gateway.controller.folder_watch import DataFolderGone
from gateway.controller.levels import UnknownAlarm
from gateway.controller.one_at_a_time import Busy
from gateway.controller.rereading import Unfit
from gateway.controller.rollouts import UnknownRollout
from gateway.controller.sqlite_file import QueryTooSlow
from gateway.controller.tables import Conflict, Elsewhere, UnknownModel
from gateway.ports import LogFull, StaleHead
from gateway.rollout.commands import Refused
from gateway.settings import ConfigError

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
_MOST_ERRORS = 100


class Problem(Exception):
    """An answer that is a problem. `kind` is the last part of its `type`, a URN that does not change."""

    def __init__(self, status: int, kind: str, title: str, detail: str) -> None:
        super().__init__(f"{title}: {detail}")
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail

    def response(self, **more: object) -> JSONResponse:
        """It as an HTTP answer, with members of its own kind in `more`."""
        content = {
            "type": f"urn:tipstaff:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **more,
        }
        return JSONResponse(content, self.status, media_type=CONTENT_TYPE)


def not_found(what: str, detail: str) -> Problem:
    """404 for a thing that there is not."""
    return Problem(404, "not-found", f"No such {what}", detail)


_KNOWN: dict[type[Exception], tuple[int, str, str]] = {
    UnknownModel: (404, "not-found", "No such model"),
    UnknownAlarm: (404, "no-alarm", "No such alarm"),
    UnknownRollout: (404, "no-rollout", "No such rollout"),
    Refused: (409, "refused", "The rollout refuses"),
    Busy: (409, "busy", "Somebody else is asking for the same"),
    Unfit: (422, "constitution", "This constitution cannot be read by"),
    Conflict: (409, "conflict", "The routing table moved on"),
    Elsewhere: (409, "elsewhere", "Another controller decides this"),
    StaleHead: (409, "conflict", "Another controller moved the state"),
    QueryTooSlow: (503, "too-slow", "The query took too long"),
    DataFolderGone: (503, "storage", "The data folder is gone"),
    LogFull: (503, "storage", "The audit stream takes no more, so this cannot be done"),
    sqlite3.OperationalError: (503, "storage", "The controller's storage cannot be used now"),
    OSError: (503, "storage", "The controller's storage cannot be used now"),
    ConfigError: (503, "configuration", "A file that the configuration names cannot be used"),
}


def install(app: FastAPI) -> None:
    """Have every error of `app` answered as a problem."""

    def known(_request: Request, error: Exception) -> JSONResponse:
        status, kind, title = next(_KNOWN[base] for base in type(error).__mro__ if base in _KNOWN)
        if status >= 500:
            log.error("admin request failed", title=title, error=str(error))
        return Problem(status, kind, title, str(error)).response()

    for kind in _KNOWN:
        app.add_exception_handler(kind, known)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(FileRefused, _refused_file)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - for the type checker: it is installed for no other
    return error.response()


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """What was wrong and where; never what was given, which may be a secret in the wrong place."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [{"pointer": "/".join(("#", *map(str, one["loc"]))), "detail": one["msg"]} for one in found]
    detail = "; ".join(f"{one['pointer']}: {one['detail']}" for one in errors)
    return Problem(422, "invalid", "The request does not fit", detail).response(errors=errors)


def _refused_file(_request: Request, error: Exception) -> JSONResponse:
    """A constitution that somebody sent: every reason with its line, up to a hundred."""
    found = error.problems[:_MOST_ERRORS] if isinstance(error, FileRefused) else ()
    errors = [
        {"pointer": "#/body/text", "line": each.line, "key": each.key, "detail": each.message} for each in found
    ]
    detail = "; ".join(str(each) for each in found)
    return Problem(422, "constitution", "This constitution cannot be loaded", detail).response(errors=errors)


def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = f"{request.method} {request.url.path}: the API is under /api/v1, described in /api/v1/openapi.json"
    if status == HTTPStatus.BAD_REQUEST:
        detail = "The body cannot be read: send JSON in UTF-8"
    answer = Problem(status, "http", HTTPStatus(status).phrase, detail).response()
    answer.headers.update((error.headers or {}) if isinstance(error, HTTPException) else {})
    return answer


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """A defect: whoever reads the log hears of it (with its traceback), the client only that there was one."""
    log.error("admin request failed", path=request.url.path, error=repr(error))
    detail = "This is a defect; the controller's log has the details."
    return Problem(500, "internal", "The controller failed", detail).response()
