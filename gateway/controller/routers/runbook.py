"""The runbook, for whoever follows the link in an alert: plain text, without a token."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from gateway.controller.problems import Problem
from gateway.controller.routers.values import problems
from gateway.controller.runbook import sections


def runbook_router() -> APIRouter:
    """/runbook and /runbook/ALERT."""
    router = APIRouter(tags=["runbook"])
    found = sections()
    whole = "\n".join(found.values())

    @router.get("/runbook", summary="All alerts", response_class=PlainTextResponse)
    def runbook() -> str:
        """The whole runbook, as Markdown."""
        return whole

    @router.get("/runbook/{alert}", summary="One alert", response_class=PlainTextResponse, responses=problems(404))
    def section(alert: str) -> str:
        """What the alert means, what to look at, what to do, when to ignore it."""
        if not alert or alert not in found:
            raise Problem(404, "not-found", "No such alert", f"the runbook has no section {alert!r}: see /runbook")
        return found[alert]

    return router
