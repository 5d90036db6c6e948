"""What the controller's tests share."""

from collections.abc import Sequence

from classifiers.verdict import Clause, Finding, PrincipleFinding, Severity, Verdict, Why
from gateway.core.exchange import Reason, Route
from gateway.core.ids import exchange_id
from gateway.events.schema import Assignment, Timing, VerdictV1
from gateway.ports import Entry

HOUR = 3_600_000_000
START = 1_760_000_000_000_000 // HOUR * HOUR


def finding(principle: str, found: Finding, severity: Severity = Severity.LOW) -> PrincipleFinding:
    unread = found is Finding.NOT_EVALUATED
    return PrincipleFinding(
        principle,
        found,
        None if unread else float(found is Finding.VIOLATES),
        "" if unread else "rules",
        why=Why.NO_EVALUATOR if unread else None,
        severity=severity,
    )


def upheld(*violated: str, severity: Severity = Severity.HIGH, **more: object) -> Verdict:
    """A verdict under the principles `harm` and `honesty` that names `violated`."""
    findings = tuple(
        finding(name, Finding.VIOLATES if name in violated else Finding.UPHOLDS, severity)
        for name in ("harm", "honesty")
    )
    deciding = Clause(violated[0], "harmlessness", severity, "said so") if violated else None
    values: dict[str, object] = {
        "refusal": False,
        "over_refusal": False,
        "severity": severity if violated else None,
        "deciding": deciding,
    }
    return Verdict(findings, "c0ffee", {"rules": "1"}, **{**values, **more})  # type: ignore[arg-type]


def unread(why: Why = Why.CRASHED) -> Verdict:
    findings = tuple(finding(name, Finding.NOT_EVALUATED) for name in ("harm", "honesty"))
    return Verdict(findings, "c0ffee", {}, not_evaluated=why)


def verdict_event(
    sequence: int,
    verdict: Verdict | None = None,
    *,
    arm: str = "stable",
    served: str | None = None,
    time_us: int | None = None,
    model: str = "assistant",
    unit: str = "alice",
    status: int = 200,
    forced: bool = False,
) -> VerdictV1:
    time_us = START + sequence * 1_000_000 if time_us is None else time_us
    identifier = exchange_id(time_us, sequence.to_bytes(10, "little"))
    assignment = Assignment(
        "user",
        "header:x-user-id",
        unit.encode().ljust(16, b"\0")[:16],
        0.5,
        0.9,
        arm,
        served or arm,
        "store",
        1,
        1,
        forced,
    )
    return VerdictV1(
        f"{identifier}-verdict",
        identifier,
        time_us,
        "proxy-0",
        sequence,
        model,
        Route.CHAT,
        assignment,
        status,
        Reason.COMPLETE,
        streamed=True,
        timing=Timing(time_us - 1000, 0.001, 0.2, 1.5),
        request_bytes=100,
        response_bytes=900,
        verdict=verdict or upheld(),
    )


def entries(events: Sequence[VerdictV1], first: int = 0, producer: str = "scorer-0") -> list[Entry]:
    return [Entry(producer, first + place, event.time_us + 5, event) for place, event in enumerate(events)]
