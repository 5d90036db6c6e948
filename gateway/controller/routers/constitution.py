"""The written rules that answers are read against: those in force, those before, and what others would find."""

from typing import Annotated

from fastapi import APIRouter, Path

from classifiers.constitution import Constitution, loads
from classifiers.difference import compare
from gateway.controller.constitutions import Constitutions
from gateway.controller.one_at_a_time import OneAtATime
from gateway.controller.parts import ControllerParts
from gateway.controller.problems import not_found
from gateway.controller.rereading import Again
from gateway.controller.routers.constitution_values import (
    Compared,
    ConstitutionShown,
    DifferenceShown,
    Hash,
    VersionsShown,
    WhatIfShown,
    WhatIfWanted,
    constitution_shown,
    difference_shown,
    version_shown,
    what_if_shown,
)
from gateway.controller.routers.values import microseconds, problems, refusals
from gateway.controller.routers.who import Who
from gateway.controller.tables import check_model


def constitution_router(parts: ControllerParts) -> APIRouter:
    """Read them, compare them, and try one on texts that are kept."""
    router = APIRouter(prefix="/api/v1/constitution", tags=["constitution"])
    kept, in_force = parts.constitutions, constitution_shown(parts.constitution)
    reading = OneAtATime("another constitution is being read for somebody else: ask again in a few seconds")

    @router.get("", summary="The constitution", responses=problems())
    def read() -> ConstitutionShown:
        """The principles that this controller's verdicts are shown against, by tier."""
        return in_force

    @router.get("/versions", summary="Constitutions that were in force", responses=problems(503))
    def versions() -> VersionsShown:
        """All since tipstaff keeps them, and how each differs from the one before."""
        now = parts.constitution.hash
        return VersionsShown(versions=[version_shown(each, in_force=each.hash == now) for each in kept.versions()])

    @router.get("/versions/{content_hash}", summary="One that was in force", responses=problems(404, 422, 503))
    def version(content_hash: Annotated[Hash, Path()]) -> ConstitutionShown:
        """By its whole hash, as verdicts and decisions carry it."""
        return constitution_shown(_known(kept, content_hash))

    @router.post("/diff", summary="Compare two constitutions", responses=refusals(404, 409, 503))
    def diff(wanted: Compared) -> DifferenceShown:
        """Principle by principle and key by key; a file that cannot be loaded is refused with every line (422). One
        at a time (409): a large file takes this process seconds.
        """
        with reading.turn():
            before = parts.constitution if wanted.before is None else _known(kept, wanted.before)
            after = loads(wanted.text or "") if wanted.after is None else _known(kept, wanted.after)
            return difference_shown(compare(before, after))

    @router.post("/what-if", summary="Try a constitution on kept texts", responses=refusals(404, 409, 503))
    def what_if(wanted: WhatIfWanted, who: Who) -> WhatIfShown:
        """What it would find in exchanges that were answered already. That says something of their texts, so it is
        for those who may read them, and stands in the audit stream. One at a time (409), for at most 30 s.
        """
        check_model(parts.tables, wanted.model)
        with reading.turn():
            other = loads(wanted.text)
        since_us = None if wanted.since is None else microseconds(wanted.since)
        outcome = f"up to {wanted.limit} texts under {other.short_hash}"
        parts.trail.tell(who.name, "constitution.tried", wanted.model, outcome)
        return what_if_shown(parts.rereading.read(Again(wanted.model, wanted.limit, since_us), other))

    return router


def _known(kept: Constitutions, content_hash: str) -> Constitution:
    found = kept.get(content_hash)
    if found is None:
        raise not_found("constitution", f"{content_hash} was never in force here: GET .../versions lists those")
    return found
