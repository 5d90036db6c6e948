"""When an endpoint is taken out of service and when it comes back: values and rules, without a clock or a socket.

The rules, all times in seconds:

- EJECT_AFTER failures in a row eject, for FIRST_EJECTION, twice as long each time, at most LONGEST_EJECTION;
  each time is stretched by up to SPREAD at random, so that endpoints that fell together do not return together.
- A success ends a row of failures and an ejection. QUIET seconds in service forget earlier ejections.
- After its return time an endpoint is on trial: one request, for at most TRIAL, decides whether it stays.
- A probe of /health that succeeds ends an ejection for want of a connection. It says nothing of an endpoint that
  takes connections and then fails: that one serves its time. A probe that fails in the last PROBE_AHEAD of an
  ejection starts a longer one, so that no user tries what is known to be dead. No probe, however bad, ejects an
  endpoint that serves.
"""

import msgspec

EJECT_AFTER = 3
FIRST_EJECTION = 1.0
LONGEST_EJECTION = 30.0
SPREAD = 0.25
TRIAL = 5.0
QUIET = 60.0
PROBE_AHEAD = 5.0
UNREACHABLE_RETRY = 1.0

_UNREACHABLE = frozenset({"refused", "unreachable", "connect_timeout", "dns", "tls"})


class Health(msgspec.Struct, frozen=True):
    """What is known of an endpoint. `ejected_for` is the kind of failure that ejected it; empty: in service.

    failures: in a row. ejections: with no QUIET time between them. Times are on the monotonic clock.
    """

    failures: int = 0
    ejections: int = 0
    ejected_for: str = ""
    returns_at: float = 0.0
    failed_at: float = 0.0
    trial_ends: float = 0.0
    in_service_since: float = 0.0

    @property
    def ejected(self) -> bool:
        """True from its ejection until a trial or a probe has succeeded."""
        return self.ejected_for != ""

    @property
    def unreachable(self) -> bool:
        """True when it is ejected and its last failure was to get a connection at all."""
        return self.ejected_for in _UNREACHABLE


IN_SERVICE = Health()


def after_failure(health: Health, kind: str, now: float, chance: float) -> Health:
    """The health after a failed request. `chance` in [0, 1) stretches an ejection.

    A failure of an ejected endpoint that was on trial ejects it anew; of one that was not (a request from before
    its ejection) it only changes what is known of the reason.
    """
    failures = health.failures + 1
    if health.ejected:
        if not on_trial(health, now):
            return msgspec.structs.replace(health, failures=failures, ejected_for=kind, failed_at=now)
        return _ejected(health, kind, now, chance)
    if failures < EJECT_AFTER:
        return msgspec.structs.replace(health, failures=failures, failed_at=now)
    if health.ejections and now - health.in_service_since >= QUIET:
        health = msgspec.structs.replace(health, ejections=0)
    return _ejected(health, kind, now, chance)


def after_success(health: Health, now: float) -> Health:
    """The health after a request that the endpoint served."""
    if not health.ejected:
        return health if health.failures == 0 else msgspec.structs.replace(health, failures=0)
    return Health(ejections=health.ejections, in_service_since=now)


def after_probe(health: Health, alive: bool, now: float, chance: float) -> Health:  # noqa: FBT001
    """The health after a probe: it matters only to an ejected endpoint.

    While a request is on trial, a probe that fails says nothing more; one that succeeds ends the wait, since the
    answer of a model may take a while.
    """
    if alive:
        return after_success(health, now) if health.unreachable else health
    if not health.ejected or on_trial(health, now) or now < health.returns_at - PROBE_AHEAD:
        return health
    return _ejected(health, health.ejected_for, now, chance)


def after_pick(health: Health, now: float) -> Health:
    """The health of an ejected endpoint that has just been given a request: its trial begins."""
    return msgspec.structs.replace(health, trial_ends=now + TRIAL)


def on_trial(health: Health, now: float) -> bool:
    """True while one request decides about an ejected endpoint."""
    return now < health.trial_ends


def may_try(health: Health, now: float) -> bool:
    """True when an ejected endpoint's time is up and nobody is trying it."""
    return now >= health.returns_at and not on_trial(health, now)


def may_try_last(health: Health, now: float) -> bool:
    """As `may_try`, for an arm that has no endpoint in service: trying a bad one beats answering nothing.

    One that takes connections gets requests as if nothing were. An unreachable one gets one request at a time,
    UNREACHABLE_RETRY after its last failure; in between the arm is down and says so at once.
    """
    if not health.unreachable:
        return True
    return now - health.failed_at >= UNREACHABLE_RETRY and not on_trial(health, now)


def _ejected(health: Health, kind: str, now: float, chance: float) -> Health:
    doublings = min(health.ejections, 16)  # an endpoint may be down for weeks: no power of two is to overflow
    length = min(FIRST_EJECTION * 2.0**doublings, LONGEST_EJECTION) * (1.0 + SPREAD * chance)
    return Health(
        failures=health.failures + 1,
        ejections=health.ejections + 1,
        ejected_for=kind,
        returns_at=now + length,
        failed_at=now,
    )
