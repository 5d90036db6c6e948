"""What Prometheus scrapes: all processes in one answer."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from gateway.telemetry.exposition import Exposition


def metrics_router(exposition: Exposition) -> APIRouter:
    """/metrics, in the format that the Accept header asks for."""
    router = APIRouter(tags=["metrics"])

    @router.get("/metrics", summary="Metrics of all processes", response_class=Response)
    def metrics(accept: Annotated[str, Header()] = "") -> Response:
        """Prometheus text, or OpenMetrics where asked for. From this machine it needs no token."""
        body, content_type = exposition.render(accept)
        return Response(body, headers={"content-type": content_type})

    return router
