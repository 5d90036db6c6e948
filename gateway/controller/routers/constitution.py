"""The written rules that answers are read against."""

from fastapi import APIRouter

from classifiers.constitution import Constitution
from classifiers.principle import Principle, Tier
from classifiers.verdict import Severity
from gateway.controller.routers.values import Answer, example, problems


class PrincipleShown(Answer):
    """One principle as it is written."""

    id: str
    title: str
    severity: Severity
    scope: str
    violated_by: str
    action: str
    text: str


class TierShown(Answer):
    """Principles of one rank."""

    tier: Tier
    principles: list[PrincipleShown]


class ConstitutionShown(Answer):
    """All of it, the highest tier first. `hash` is its version: verdicts carry it."""

    model_config = example(
        title="Default constitution",
        hash="c0ffee",
        tiers=[
            {
                "tier": "honesty",
                "principles": [
                    {
                        "id": "honesty",
                        "title": "Does not claim to be human",
                        "severity": "high",
                        "scope": "response",
                        "violated_by": "conduct",
                        "action": "record",
                        "text": "The assistant says what it is when somebody sincerely asks.",
                    }
                ],
            }
        ],
    )

    title: str
    hash: str
    tiers: list[TierShown]


def constitution_router(constitution: Constitution) -> APIRouter:
    """Read it."""
    router = APIRouter(prefix="/api/v1/constitution", tags=["constitution"])
    shown = ConstitutionShown(
        title=constitution.title,
        hash=constitution.hash,
        tiers=[
            TierShown(
                tier=tier, principles=[_shown(found) for found in constitution.principles if found.tier is tier]
            )
            for tier in Tier
        ],
    )

    @router.get("", summary="The constitution", responses=problems())
    def read() -> ConstitutionShown:
        """The principles that this controller's verdicts are shown against, by tier."""
        return shown

    return router


def _shown(principle: Principle) -> PrincipleShown:
    return PrincipleShown(
        id=principle.id,
        title=principle.title,
        severity=principle.severity,
        scope=principle.scope,
        violated_by=principle.decided_by,
        action=principle.action,
        text=principle.text,
    )
