"""Requests that the guard refused: counted, and in the audit stream."""

from gateway.controller.access import Asked, Refusal
from gateway.controller.guard import Refused
from gateway.controller.trail import AuditTrail
from gateway.telemetry.metrics import SIGN_IN_FAILURES, Meters


def counted(meters: Meters) -> Refused:
    """Counts each; all that can be done of it while storage cannot be used."""

    def refused(_asked: Asked, refusal: Refusal) -> None:
        meters.counter(SIGN_IN_FAILURES, refusal.reason).inc()

    return refused


def written(meters: Meters, trail: AuditTrail) -> Refused:
    """Counts each, and tells `trail`; never waits."""
    count = counted(meters)

    def refused(asked: Asked, refusal: Refusal) -> None:
        count(asked, refusal)
        trail.note(refusal.name, "sign_in.failed", f"{asked.method} {asked.path} from {asked.peer}", refusal.reason)

    return refused
