"""Sample events."""

from classifiers.verdict import Clause, Finding, PrincipleFinding, Severity, Span, Verdict, Why
from gateway.core.exchange import Reason, Route
from gateway.events.schema import (
    Assignment,
    AuditV1,
    DecisionV1,
    Event,
    ExchangeV1,
    FeedbackV1,
    Known,
    Payload,
    ProgressV1,
    ScoreV1,
    Timing,
    VerdictV1,
    WeightChanged,
)

ASSIGNMENT = Assignment(
    unit_kind="user",
    unit_source="header:x-user-id",
    unit_hash=bytes(range(16)),
    bucket=0.0625,
    weight=0.1,
    assigned="canary",
    served="stable",
    store_id="s" * 32,
    table_epoch=1,
    table_version=7,
)
TIMING = Timing(1_760_000_000_000_000, 0.001, 0.05, 0.2)


def exchange(number: int, response: bytes = b'{"choices":[]}', request: bytes = b'{"model":"m"}') -> ExchangeV1:
    """An exchange whose id says which it is."""
    return ExchangeV1(
        id=f"{number:032x}",
        model="assistant",
        route=Route.CHAT,
        path="/v1/chat/completions",
        assignment=ASSIGNMENT,
        endpoint="http://127.0.0.1:8001",
        status=200,
        reason=Reason.COMPLETE,
        streamed=False,
        chunks=1,
        timing=TIMING,
        request=Payload(len(request), request, truncated=False, content_type="application/json"),
        response=Payload(len(response), response, truncated=False, content_type="application/json"),
        headers={"user-agent": "ünïcode"},
    )


def verdict(number: int, time_us: int = 1_760_000_000_000_000) -> VerdictV1:
    """A verdict with something in every field."""
    found = PrincipleFinding(
        "weapons", Finding.VIOLATES, 0.97, "rules", "bomb-recipe", severity=Severity.CRITICAL, span=Span(0, 3, 9)
    )
    unread = PrincipleFinding("honesty", Finding.NOT_EVALUATED, why=Why.NO_EVALUATOR)
    return VerdictV1(
        id=f"{number:032x}verdict",
        exchange_id=f"{number:032x}",
        time_us=time_us,
        producer="proxy-0",
        sequence=number,
        model="assistant",
        route=Route.MESSAGES,
        assignment=ASSIGNMENT,
        status=200,
        reason=Reason.CLIENT_GONE,
        streamed=True,
        timing=TIMING,
        request_bytes=13,
        response_bytes=14,
        verdict=Verdict(
            findings=(found, unread),
            constitution="c" * 64,
            evaluators={"rules": "1"},
            provocations=("weapons",),
            refusal=False,
            over_refusal=None,
            severity=Severity.CRITICAL,
            deciding=Clause("weapons", "harmlessness", Severity.CRITICAL, "first in tier"),
            seconds={"rules": 0.001},
        ),
        sampled=0.5,
    )


def decision(number: int) -> DecisionV1:
    changed = WeightChanged({"stable": 1.0}, {"stable": 0.9, "canary": 0.1})
    return DecisionV1(f"d{number}", number, "assistant", "operator", "alice", "first step", changed, number, "")


def feedback(number: int) -> FeedbackV1:
    return FeedbackV1(f"f{number}", f"{number:032x}", "thumbs", 1.0, 1_760_000_000_000_000)


def audit(number: int) -> AuditV1:
    return AuditV1(f"a{number}", 1_760_000_000_000_000, "alice", "viewed", f"{number:032x}", "allowed")


def progress(number: int) -> ProgressV1:
    known = {"scorer-0": Known(number, 1_760_000_000_000_000, 1_759_999_999_000_000)}
    return ProgressV1(f"p{number}", 1_760_000_000_000_000, "verdicts", known)


def score(number: int) -> ScoreV1:
    return ScoreV1(f"s{number}", f"{number:032x}", "north", verdict(number).verdict)


def one_of_each() -> list[Event]:
    """A sample of every event there is."""
    return [exchange(1), verdict(1), decision(1), feedback(1), audit(1), progress(1), score(1)]
