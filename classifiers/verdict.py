"""What was found in one exchange."""

from enum import StrEnum

import msgspec


class Finding(StrEnum):
    """What is known of one principle in one exchange. "Not evaluated" never turns into "upholds"."""

    VIOLATES = "violates"
    UPHOLDS = "upholds"
    NOT_EVALUATED = "not_evaluated"


class Why(StrEnum):
    """Why something was not evaluated."""

    NO_TEXT = "no_text"
    NON_TEXT = "non_text"
    TOO_LONG = "too_long"
    TRUNCATED = "truncated"
    UNDECODABLE = "undecodable"
    INCOMPLETE = "incomplete"
    NO_EVALUATOR = "no_evaluator"
    UNSAMPLED = "unsampled"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    BACKLOG = "backlog"


class Severity(StrEnum):
    """How grave a violation is; compare with `rank`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low up to 3 for critical."""
        return tuple(Severity).index(self)


class Span(msgspec.Struct, frozen=True):
    """Where in an answer's `readable` text: answer index, start and end in characters."""

    answer: int
    start: int
    end: int


class PrincipleFinding(msgspec.Struct, frozen=True):
    """One principle's finding. `probability` of a violation in [0, 1] is None when it was not evaluated.

    `by` says who found it ("rules", "encoder", a judge's name; empty when nobody looked), `rule` which one.
    """

    principle: str
    finding: Finding
    probability: float | None = None
    by: str = ""
    rule: str = ""
    why: Why | None = None
    severity: Severity = Severity.LOW
    span: Span | None = None


class Clause(msgspec.Struct, frozen=True):
    """The clause that decided: the standing violation first in tier, then severity, then order of the file."""

    principle: str
    tier: str
    severity: Severity
    reason: str


class Verdict(msgspec.Struct, frozen=True):
    """Everything that the classifiers found in one exchange.

    findings: one for every principle of the constitution that applies and speaks of answers, in its order
    (a principle of scope request can only be provoked).
    provocations: principles that only the request went against; shown and counted, never violations.
    refusal: True, False, or None when it was not evaluated, and how probable it is. over_refusal: the same, of a
    request that no principle objects to. severity: the gravest of the violations, None without one. deciding: None
    without a violation. not_evaluated: set when nothing at all could be read; then every finding is NOT_EVALUATED.
    constitution: content hash. evaluators: name -> version. seconds: time spent, by stage.
    """

    findings: tuple[PrincipleFinding, ...]
    constitution: str
    evaluators: dict[str, str]
    provocations: tuple[str, ...] = ()
    refusal: bool | None = None
    refusal_probability: float | None = None
    over_refusal: bool | None = None
    severity: Severity | None = None
    deciding: Clause | None = None
    not_evaluated: Why | None = None
    seconds: dict[str, float] = {}

    @property
    def violations(self) -> tuple[PrincipleFinding, ...]:
        """The findings that say "violates"."""
        return tuple(found for found in self.findings if found.finding is Finding.VIOLATES)
