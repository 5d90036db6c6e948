"""What the event log says happened between the two moments, counted by labels, a function for each thing."""

from collections.abc import Iterator

from gateway.core.exchange import Reason
from gateway.events.schema import ExchangeV1
from tests.support.grafana.account import Account
from tests.support.grafana.labels import Counts, counted, of, where
from tests.support.grafana.run import UNHEARD

Times = Iterator[tuple[frozenset[tuple[str, str]], float]]


def requests(account: Account) -> Counts:
    return counted(where(each) for each in account.exchanges)


def ended_badly(account: Account) -> Counts:
    bad = (each for each in account.exchanges if each.reason is not Reason.COMPLETE)
    return counted(where(each) | of(reason=each.reason) for each in bad)


def ended_with_5xx(account: Account) -> Counts:
    bad = (each for each in account.exchanges if each.reason is Reason.COMPLETE and each.status >= 500)
    return counted(where(each) | of(code=str(each.status)) for each in bad)


def failed_over(account: Account) -> Counts:
    """From the arm that was assigned."""
    return counted(of(model=each.model, arm=each.assignment.assigned) for each in _failed_over(account))


def endpoint_failures(account: Account) -> Counts:
    """A request that went elsewhere had been refused, one that ended as upstream_... failed so: each once, since no
    endpoint failed so often here that it was left out.
    """
    refused = counted(
        of(model=each.model, arm=each.assignment.assigned, kind="refused") for each in _failed_over(account)
    )
    faults = (each for each in account.exchanges if each.reason.upstream_fault)
    return refused + counted(where(each) | of(kind=each.reason.removeprefix("upstream_")) for each in faults)


def _failed_over(account: Account) -> Iterator[ExchangeV1]:
    return (each for each in account.exchanges if each.assignment.served != each.assignment.assigned)


def rejected(account: Account) -> Counts:
    """They are no exchanges: the clients counted what they were told."""
    return counted(of(code=code) for code, count in account.others.rejected.items() for _ in range(count))


def first_bytes(account: Account) -> Times:
    for each in account.exchanges:
        if each.timing.first_byte_seconds is not None:
            yield where(each), each.timing.first_byte_seconds


def durations(account: Account) -> Times:
    return ((where(each), each.timing.total_seconds) for each in account.exchanges)


def between_chunks(account: Account) -> Times:
    for each in account.exchanges:
        first = each.timing.first_byte_seconds
        if first is not None and each.streamed and each.chunks > 1:
            yield where(each), (each.timing.total_seconds - first) / (each.chunks - 1)


def until_upstream(account: Account) -> Times:
    """Counts from the request's first byte, the metric from its last."""
    for each in account.exchanges:
        if each.timing.upstream_seconds is not None:
            yield of(model=each.model), each.timing.upstream_seconds


def scored(account: Account) -> Counts:
    return counted(where(each) for each in account.verdicts)


def all_scored(account: Account) -> Counts:
    return counted(of() for _ in account.verdicts)


def read(account: Account) -> Counts:
    """Those of which something was evaluated."""
    return counted(where(each) for each in account.verdicts if each.verdict.not_evaluated is None)


def violations(account: Account) -> Counts:
    return counted(
        where(each) | of(principle=found.principle)
        for each in account.verdicts
        for found in each.verdict.violations
    )


def severities(account: Account) -> Counts:
    return counted(
        where(each) | of(severity=found.severity) for each in account.verdicts for found in each.verdict.violations
    )


def provocations(account: Account) -> Counts:
    return counted(
        where(each) | of(principle=principle)
        for each in account.verdicts
        for principle in each.verdict.provocations
    )


def refusals(account: Account) -> Counts:
    return counted(
        where(each) | of(kind="over_refusal" if each.verdict.over_refusal else "refusal")
        for each in account.verdicts
        if each.verdict.refusal
    )


def not_evaluated(account: Account) -> Counts:
    return counted(
        where(each) | of(reason=each.verdict.not_evaluated)
        for each in account.verdicts
        if each.verdict.not_evaluated is not None
    )


def stage_times(account: Account) -> Times:
    for each in account.verdicts:
        for stage, seconds in each.verdict.seconds.items():
            yield of(stage=stage), seconds


def recorded(account: Account) -> Counts:
    """By stream, and the redacted texts beside them."""
    found = counted(of(stream=stream) for stream, events in account.events.items() for _ in events)
    return found + counted(of(stream="texts") for _ in range(account.texts))


def delivered(account: Account) -> Counts:
    """Everything that was recorded, to whoever reads it: it was quiet at both moments."""
    readers = {"exchanges": "scorer-0", "verdicts": "controller", "feedback": "controller"}
    return counted(
        of(stream=stream, consumer=reader)
        for stream, reader in readers.items()
        for event in account.events.items()
        if event[0] == stream
        for _ in event[1]
    )


def restarts(account: Account) -> Counts:
    """What the test killed."""
    return counted(of(process=name) for name, count in account.others.killed.items() for _ in range(count))


def told(account: Account) -> Counts:
    """Decisions that are worth telling; the receiver has got as many."""
    decisions = [each for each in account.decisions[len(account.before["decisions"]) :] if each.kind not in UNHEARD]
    assert len(decisions) == account.others.told
    return counted(of(receiver="0", result="sent") for _ in decisions)


def spans(account: Account) -> Counts:
    """What the collector has got: one for each exchange, but for those that it refused."""
    assert account.others.spans == len(account.exchanges) - account.others.spans_refused
    return counted(of() for _ in range(account.others.spans))


def spans_refused(account: Account) -> Counts:
    """One for each exchange while the collector took none."""
    return counted(of(reason="not_taken") for _ in range(account.others.spans_refused))


def refused_sign_ins(account: Account) -> Counts:
    """What the test was refused."""
    return counted(of(reason=reason) for reason, count in account.others.refused.items() for _ in range(count))
