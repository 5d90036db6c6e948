"""What the admin port answers while the controller's storage cannot be used: why, and what else can be read."""

from collections.abc import Callable, Mapping

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.controller import problems
from gateway.controller.access import Access
from gateway.controller.body_limit import BodyLimit
from gateway.controller.guard import Guard, Refused
from gateway.controller.problems import Problem
from gateway.controller.routers.dashboard import dashboard_router
from gateway.controller.routers.health import Alive
from gateway.controller.routers.ledger import ledger_router
from gateway.controller.routers.metrics import metrics_router
from gateway.controller.shell import Shell
from gateway.events.ledger import Ledger
from gateway.events.schema import Stream
from gateway.telemetry.exposition import Exposition

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def waiting_app(
    why: Callable[[], str],
    exposition: Exposition,
    ledgers: Callable[[], Mapping[Stream, Ledger]],
    access: Access,
    refused: Refused,
    shell: Shell,
) -> FastAPI:
    """`/livez`, `/metrics` of what the processes count, the ledger, the dashboard's page.

    All else is 503 with `why`.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    problems.install(app)
    app.include_router(metrics_router(exposition))
    app.include_router(ledger_router(ledgers))
    app.include_router(dashboard_router(shell))

    @app.get("/livez")
    def livez() -> Alive:
        return Alive()

    @app.api_route("/{path:path}", methods=_METHODS)
    def wait(path: str) -> None:
        raise Problem(503, "storage", "The controller waits for its storage", f"/{path}: {why()}")

    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, access=access, refused=refused)
    return app


class Front:
    """The application that is served now; another takes its place while the server runs."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self.app(scope, receive, send)
