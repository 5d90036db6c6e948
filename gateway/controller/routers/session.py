"""Signing in at the dashboard with a token, so that the browser keeps none: who is signed in, and signing out."""

from datetime import datetime

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.controller.access import COOKIE, SESSION, Access, Asked, Asker, By, Refusal, by_https
from gateway.controller.guard import Refused
from gateway.controller.parts import ControllerParts
from gateway.controller.problems import Problem
from gateway.controller.routers.values import Answer, example, moment, problems, refusals
from gateway.controller.routers.who import Asking
from gateway.core.identity import Identity, Right, Role


class SessionShown(Answer):
    """Who asks, and what they may do."""

    model_config = example(
        name="ada",
        role="operator",
        rights=["follow the routing table", "read", "text", "audit", "change"],
        by="session",
        expires="2026-03-02T00:00:00.000125Z",
    )

    name: str
    role: Role
    rights: list[Right]
    by: By = Field(description="A token in this request, a session, a trusted proxy's header, or this machine")
    expires: datetime | None = Field(description="When the session ends; null: not known by a session")


class SignIn(BaseModel):
    """A token of `admin_tokens`, or that of `admin_token_file`."""

    model_config = ConfigDict(
        extra="forbid", str_strip_whitespace=True, json_schema_extra={"examples": [{"token": "TOKEN"}]}
    )

    token: str = Field(min_length=1, max_length=1024)


def session_router(parts: ControllerParts, refused: Refused) -> APIRouter:
    """`refused` is told of wrong tokens."""
    router = APIRouter(prefix=SESSION, tags=["session"])
    access, trail = parts.access, parts.trail

    @router.post("", summary="Sign in", responses=refusals(409, 503), dependencies=[Depends(parts.folder.check)])
    def sign_in(given: SignIn, request: Request, response: Response) -> SessionShown:
        """Open a session with a token: a cookie that no script can read, until `admin_session_hours` are over."""
        asked, token = Asked.of(request.scope), given.token.encode()
        who = _holder(token, access)
        if who is None:
            problem = Problem(401, "unauthorized", "The admin token is wrong", "It is nobody's: is it whole?")
            refused(asked, Refusal("wrong_token", problem))
            raise problem
        trail.tell(who.name, "session.opened", f"from {asked.peer}")
        word, session = access.sessions.open(token)
        lasts = (session.until_us - parts.clock.now_us()) // 1_000_000
        _set_cookie(response, asked, access, word, lasts)
        return _shown(Asker(session.who, By.SESSION, session.until_us))

    @router.get("", summary="Who is signed in", responses=problems())
    def read(asking: Asking) -> SessionShown:
        """Who asks, by what, and what the role may do."""
        return _shown(asking)

    @router.delete("", summary="Sign out", status_code=204, responses=problems(415))
    def sign_out(asking: Asking, request: Request, response: Response) -> None:
        """End the session, here and in the browser; whoever asks by another way stays who they are."""
        asked = Asked.of(request.scope)
        if access.sessions.find(asked.session) is not None:
            access.sessions.end(asked.session)
            trail.note(asking.who.name, "session.ended", f"from {asked.peer}", "signed out")
        _set_cookie(response, asked, access, "", 0)

    return router


def _holder(token: bytes, access: Access) -> Identity | None:
    if access.tokens:
        return access.tokens.of(token)
    detail = (
        "Without admin_tokens whoever is on this machine is an operator, signed in or not"
        if access.users is None
        else "There are no admin_tokens: the proxy in front says who asks (admin_users)"
    )
    raise Problem(409, "no-sign-in", "Nobody signs in here", detail)


def _set_cookie(response: Response, asked: Asked, access: Access, word: str, seconds: int) -> None:
    """Seconds 0: the browser forgets it."""
    secure = by_https(asked, access.users)
    response.set_cookie(COOKIE, word, max_age=seconds, secure=secure, httponly=True, samesite="strict")


def _shown(asker: Asker) -> SessionShown:
    who = asker.who
    return SessionShown(
        name=who.name,
        role=who.role,
        rights=[right for right in Right if who.may(right)],
        by=asker.by,
        expires=None if asker.until_us is None else moment(asker.until_us),
    )
