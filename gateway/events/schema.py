"""Every event. Fields are only ever added; the name's `v1` changes with anything else."""

from typing import Final, Literal, cast, get_args

import msgspec

from classifiers.verdict import Verdict
from gateway.core.assignment import UnitKind
from gateway.core.evidence import DecisionKind, Evidence
from gateway.core.exchange import Reason, Route
from gateway.core.routing import DecidedBy
from gateway.core.tracecontext import Trace

Stream = Literal["exchanges", "verdicts", "feedback", "decisions", "audit"]
Topic = Stream | Literal["progress", "scores"]
"""Beside streams: how far they are, for other gateways; and what scorers of their own have found, for the gateway
that asked."""
STREAMS: Final = cast("tuple[Stream, ...]", get_args(Stream))


class Assignment(msgspec.Struct, frozen=True):
    """Who was randomised, and what the table said at that moment. Statistics go by `assigned`.

    `assigned` and `served` differ after a fail-over. `forced`: an operator chose the arm; never evidence.
    `bucket` in [0, 1); `weight`: share of the assigned arm; the table as (store id, epoch, version).
    """

    unit_kind: UnitKind
    unit_source: str
    unit_hash: bytes
    bucket: float
    weight: float
    assigned: str
    served: str
    store_id: str
    table_epoch: int
    table_version: int
    forced: bool = False


class Timing(msgspec.Struct, frozen=True):
    """When it started (microseconds since the epoch) and seconds since then; None: it never came to that."""

    started_us: int
    upstream_seconds: float | None
    first_byte_seconds: float | None
    total_seconds: float


class Payload(msgspec.Struct, frozen=True):
    """Raw bytes as they passed, up to `limits.record_bytes`; `size` counts all of them.

    `kept` is None where the model's setting keeps no text. `truncated`: more passed than was kept.
    """

    size: int
    kept: bytes | None
    truncated: bool
    content_type: str = ""
    content_encoding: str = ""


class ExchangeV1(msgspec.Struct, frozen=True, tag="dev.tipstaff.exchange.v1"):
    """One request and its answer, as the proxy saw it. Headers by an allow-list: no Authorization, no cookies."""

    id: str
    model: str
    route: Route
    path: str
    assignment: Assignment
    endpoint: str
    status: int
    reason: Reason
    streamed: bool
    chunks: int
    timing: Timing
    request: Payload
    response: Payload
    headers: dict[str, str] = {}
    trace: Trace | None = None
    """Its place in a trace; None where none are made."""

    @property
    def key(self) -> str:
        """Its key in any keyed stream: the unit hash in hex."""
        return self.assignment.unit_hash.hex()


class VerdictV1(msgspec.Struct, frozen=True, tag="dev.tipstaff.verdict.v1"):
    """What was found in one exchange, with what statistics need of that exchange and no text.

    `time_us` is the exchange's canonical time: when the proxy's writer appended it, never later.
    `producer` and `sequence` name the raw record. `sampled`: the probability of having been scored at all.
    """

    id: str
    exchange_id: str
    time_us: int
    producer: str
    sequence: int
    model: str
    route: Route
    assignment: Assignment
    status: int
    reason: Reason
    streamed: bool
    timing: Timing
    request_bytes: int
    response_bytes: int
    verdict: Verdict
    sampled: float = 1.0
    trace_id: str = ""
    """Of the trace that has a span of this exchange; empty: there is none."""

    @property
    def key(self) -> str:
        """Its key in any keyed stream: the unit hash in hex."""
        return self.assignment.unit_hash.hex()


class WeightChanged(msgspec.Struct, frozen=True):
    """Shares in [0, 1] per arm before and after."""

    before: dict[str, float]
    after: dict[str, float]


class DecisionV1(msgspec.Struct, frozen=True, tag="dev.tipstaff.decision.v1", omit_defaults=True):
    """A decision: who decided what, and why. `previous` is the hash of the one before.

    The fields after it belong to rollouts, and are left out where they say nothing, so that the hashes of
    decisions from before they were added hold. `rollout`: its id, empty outside of one. `stage`: index into the
    plan's stages, -1 outside of them. `rests_on`: versions of the arms, plan, constitution and classifiers.
    `positions`: what had been read of each producer of verdicts; `watermark_us`: how far time was known.
    `exchanges`: the ids whose verdicts crossed the line. `table_epoch`: of the table that `table_version` names.
    `waits_for`: a word for what a rollout waits for; it stays the same while the reason does.
    `drill`: share of the canary's answers that are taken as harmful, so that people see it happen; 0: it is real.
    `labels`: of a step forward, what people's labels said by then; that there were none, too.
    """

    id: str
    time_us: int
    model: str
    decided_by: DecidedBy
    actor: str
    reason: str
    weights: WeightChanged
    table_version: int
    previous: str
    kind: DecisionKind = "weights"
    rollout: str = ""
    stage: int = -1
    rests_on: dict[str, str] = {}
    evidence: Evidence | None = None
    positions: dict[str, int] = {}
    watermark_us: int = 0
    exchanges: tuple[str, ...] = ()
    table_epoch: int = 0
    waits_for: str = ""
    drill: float = 0.0
    labels: str = ""

    @property
    def key(self) -> str:
        """Its key in any keyed stream: the model."""
        return self.model


class FeedbackV1(msgspec.Struct, frozen=True, tag="dev.tipstaff.feedback.v1"):
    """What a user or the team's own metric said of an exchange. `value` is in the metric's own unit."""

    id: str
    exchange_id: str
    metric: str
    value: float
    time_us: int

    @property
    def key(self) -> str:
        """Its key in any keyed stream: the exchange."""
        return self.exchange_id


class AuditV1(msgspec.Struct, frozen=True, tag="dev.tipstaff.audit.v1"):
    """Who did something that an auditor may ask about, to what, and how it ended."""

    id: str
    time_us: int
    actor: str
    action: str
    subject: str
    outcome: str

    @property
    def key(self) -> str:
        """Its key in any keyed stream: the actor."""
        return self.actor


class Known(msgspec.Struct, frozen=True):
    """How far a producer's part of a stream has been relayed: all below the sequence `end`, but what is lost.

    `watermark_us`, `forwarded_us`: every later event has a later canonical time, and speaks of events of other
    streams with a later one; microseconds, 0: unknown.
    """

    end: int
    watermark_us: int
    forwarded_us: int


class ProgressV1(msgspec.Struct, frozen=True, tag="dev.tipstaff.progress.v1"):
    """What a gateway that follows says of a stream, after the events themselves: `known` by producer."""

    id: str
    time_us: int
    stream: str
    known: dict[str, Known]

    @property
    def key(self) -> str:
        """Its key in any keyed stream: the stream that it is about."""
        return self.stream


class ScoreV1(msgspec.Struct, frozen=True, tag="dev.tipstaff.score.v1"):
    """What a scorer of its own found in an exchange of `gateway`. Its spans are places in what the model wrote."""

    id: str
    exchange_id: str
    gateway: str
    verdict: Verdict

    @property
    def key(self) -> str:
        """Its key in any keyed stream: the exchange."""
        return self.exchange_id


Event = ExchangeV1 | VerdictV1 | DecisionV1 | FeedbackV1 | AuditV1 | ProgressV1 | ScoreV1
