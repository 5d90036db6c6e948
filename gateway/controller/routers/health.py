"""Is the controller there, and does it do its work."""

from collections.abc import Callable

from fastapi import APIRouter

from gateway.controller.problems import Problem
from gateway.controller.routers.values import Answer, Refused, example
from gateway.controller.tables import Tables


class Alive(Answer):
    """That it answers is the answer."""

    model_config = example(status="ok")

    status: str = "ok"


def health_router(tables: Tables, healthy: Callable[[], list[str]]) -> APIRouter:
    """/livez and /readyz, without a token."""
    router = APIRouter(tags=["health"])

    @router.get("/livez", summary="Alive")
    def livez() -> Alive:
        """200 as long as the process answers."""
        return Alive()

    @router.get(
        "/readyz", summary="Ready", responses={503: {"model": Refused, "description": "Not ready, and why"}}
    )
    def readyz() -> Alive:
        """200 once the routing table is published and while the controller's own work goes on."""
        wrong = healthy()
        if not tables.published:
            wrong = ["the routing table is not published", *wrong]
        if wrong:
            raise Problem(503, "not-ready", "Not ready", "; ".join(wrong))
        return Alive()

    return router
