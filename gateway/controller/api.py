"""The admin application: every router, behind the guard."""

from fastapi import Depends, FastAPI

from gateway.controller import problems, refusals
from gateway.controller.body_limit import BodyLimit
from gateway.controller.guard import Guard
from gateway.controller.parts import ControllerParts
from gateway.controller.routers.audit import audit_router
from gateway.controller.routers.bundles import bundles_router
from gateway.controller.routers.config import config_router
from gateway.controller.routers.constitution import constitution_router
from gateway.controller.routers.dashboard import dashboard_router
from gateway.controller.routers.decisions import decisions_router
from gateway.controller.routers.docs import docs_router
from gateway.controller.routers.evidence import evidence_router
from gateway.controller.routers.exchanges import exchanges_router
from gateway.controller.routers.forget import forget_router
from gateway.controller.routers.health import health_router
from gateway.controller.routers.labels import labels_router
from gateway.controller.routers.ledger import ledger_router
from gateway.controller.routers.levels import levels_router
from gateway.controller.routers.live import live_router
from gateway.controller.routers.metrics import metrics_router
from gateway.controller.routers.pipeline import pipeline_router
from gateway.controller.routers.rates import rates_router
from gateway.controller.routers.rollouts import rollouts_router
from gateway.controller.routers.runbook import runbook_router
from gateway.controller.routers.series import series_router
from gateway.controller.routers.session import session_router
from gateway.controller.routers.status import status_router
from gateway.controller.routers.table import table_router
from gateway.controller.routers.values import problems as problems_of
from gateway.controller.routers.weights import weights_router
from gateway.controller.shell import Shell

_DESCRIPTION = """The admin API. Additive only; errors are problem details (RFC 9457).
With tokens configured, send `Authorization: Bearer TOKEN`, or sign in at /api/v1/session and send its cookie;
without any, only this machine may ask. Roles: a viewer reads, an auditor also reads texts and the audit stream, an
operator also changes things."""


def create_app(parts: ControllerParts, shell: Shell) -> FastAPI:
    """The application over `parts`. It starts nothing and closes nothing."""
    app = FastAPI(
        title="tipstaff",
        version=parts.version,
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # both load their scripts from other sites
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    refused = refusals.written(parts.meters, parts.trail)
    for router in (
        health_router(parts.tables, lambda: [*parts.folder.troubles(), *parts.healthy()]),
        status_router(parts),
        docs_router(app),
        runbook_router(),
        dashboard_router(shell),
        session_router(parts, refused),
    ):
        app.include_router(router)
    for router in (
        live_router(parts),
        metrics_router(parts.exposition),
        weights_router(parts.tables, parts.rollouts),
        table_router(parts.tables, parts.unit_key, parts.ending),
        rates_router(parts.tables, parts.index),
        series_router(parts.tables, parts.index, parts.clock),
        exchanges_router(parts.index, parts.texts, parts.feedback, parts.trail, parts.labels),
        labels_router(parts),
        ledger_router(parts.ledgers),
        pipeline_router(parts),
        decisions_router(parts.store, parts.rollouts, parts.tables, parts.clock),
        rollouts_router(parts),
        constitution_router(parts),
        evidence_router(parts),
        levels_router(parts.levels),
        bundles_router(parts.folder, parts.store.reading, parts.version, parts.trail, parts.tables),
        audit_router(parts.trail),
        forget_router(parts.forgetting, parts.index),
        config_router(parts.configuration, parts.trail),
    ):  # what they would say of a data folder that is gone is wrong
        app.include_router(router, dependencies=[Depends(parts.folder.check)], responses=problems_of(503))
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, access=parts.access, refused=refused)
    return app
