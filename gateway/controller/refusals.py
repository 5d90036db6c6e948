"""Requests that the guard refused, into the audit stream."""

from gateway.controller.access import Asked, Refusal, Refused
from gateway.controller.trail import AuditTrail


def refusals(trail: AuditTrail) -> Refused:
    """What to tell `trail` of each; never waits."""

    def refused(asked: Asked, refusal: Refusal) -> None:
        trail.note(refusal.name, "sign_in.failed", f"{asked.method} {asked.path} from {asked.peer}", refusal.reason)

    return refused
