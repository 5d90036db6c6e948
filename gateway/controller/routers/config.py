"""The configuration in force, and another one instead."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.controller.parts import Configuration
from gateway.controller.problems import Problem
from gateway.controller.routers.values import Answer, example, moment, problems, refusals
from gateway.controller.routers.who import Who
from gateway.controller.trail import AuditTrail
from gateway.settings import ConfigError


class InForce(Answer):
    """`refused`: why the file was not taken when it was read last, at `tried`; empty: it is in force."""

    model_config = example(
        source="/etc/tipstaff/config.yaml",
        since="2026-03-01T12:00:00.000125Z",
        tried="2026-03-01T12:30:00.000125Z",
        refused=["models.assistant.arms.canary.weight: the weights add up to 120 %"],
        notes=["assistant: the weights stay those of an operator's word; tipstaff weights assistant changes them"],
        settings={"models": {"assistant": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:8001"]}}}}},
    )

    source: str = Field(description="The file that people edit")
    since: datetime = Field(description="When the settings were put in force")
    tried: datetime = Field(description="When the file was read last")
    refused: list[str]
    notes: list[str] = Field(description="What of them has no effect, or one that may surprise")
    settings: dict[str, Any] = Field(description="Every key that is set, by the file or the environment")


class ReloadWanted(BaseModel):
    """Nothing to say: the file is the one that tipstaff was started with."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})


def config_router(configuration: Configuration, trail: AuditTrail) -> APIRouter:
    """Read it, and have the file read again."""
    router = APIRouter(prefix="/api/v1/config", tags=["configuration"])

    @router.get("", summary="The configuration in force", responses=problems())
    def read() -> InForce:
        """What everything runs by, and what became of the last attempt to change it. No secret is in it."""
        return _in_force(configuration)

    @router.post("/reload", summary="Read the configuration again", responses=refusals(503))
    def reload(_: ReloadWanted, who: Who) -> InForce:
        """As SIGHUP does: taken whole, or refused with every reason and nothing changed (422).

        Proxies go over between two requests; scorer and controller begin anew, so this port answers late for a
        second or two. No request of a client fails for it.
        """
        trail.tell(who.name, "config.reload", configuration.loading().source, "asked")
        try:
            configuration.reload()
        except ConfigError as error:
            trail.note(who.name, "config.reload", configuration.loading().source, f"refused: {error.problems[0]}")
            raise Problem(422, "config", "The configuration is refused", "; ".join(error.problems)) from error
        except TimeoutError as error:
            detail = "Nothing has been heard of it yet: GET /api/v1/config says what became of it"
            raise Problem(503, "reload", "The reload takes its time", detail) from error
        trail.note(who.name, "config.reload", configuration.loading().source, "in force")
        return _in_force(configuration)

    return router


def _in_force(configuration: Configuration) -> InForce:
    loading, settings = configuration.loading(), configuration.settings()
    return InForce(
        source=loading.source,
        since=moment(loading.since_us),
        tried=moment(loading.tried_us),
        refused=list(loading.problems),
        notes=list(loading.notes),
        settings=settings.model_dump(mode="json", by_alias=True, exclude_unset=True),
    )
