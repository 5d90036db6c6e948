"""From what evaluators found to what it means: findings, the refusal, and the clause that decides. Pure.

The rule, the same for every principle and every evaluator
    harm          violates = topic AND harmful AND NOT refusal, for each answer
                  topic = that of the answer, or (scope exchange) that of the request
    conduct       violates = conduct, for each answer
    over_refusal  violates = refusal AND benign: every answer declines, and no principle objects to the request
    The exchange violates a principle when any of its answers does.

Probabilities: AND is the smallest of its parts, OR the largest, NOT is one minus. The smallest is the most that a
conjunction can be (Frechet, 1935), and what it is when its parts go together, as "harmful" and "no refusal" do;
the product would take them for independent and shrink with every part. So an AND reaches the threshold exactly
when each part does, which is how an auditor checks it by hand.

What nobody evaluated, of each part, is not 0 but anything from 0 to 1, and is carried through so. A principle is
violated when even the least that it can be reaches the threshold, upheld when even the most stays below, else NOT
EVALUATED. So a declined request, or an answer that does no harm of any kind, upholds a principle that nobody could
judge otherwise, and silence never upholds one.

Which violation decides: the highest tier, then the gravest severity, then the first in the file.
"""

from collections.abc import Sequence

from classifiers.condition import Known, holds
from classifiers.constitution import Constitution
from classifiers.evidence import THRESHOLD, Evidence
from classifiers.exchange import Exchange
from classifiers.folding import Folder
from classifiers.interval import UNKNOWN, Interval
from classifiers.principle import Principle, Scope
from classifiers.signal import Reading
from classifiers.verdict import Clause, Finding, PrincipleFinding, Verdict, Why


def applicable(constitution: Constitution, known: Known, folder: Folder) -> tuple[Principle, ...]:
    """The principles that apply to an exchange, in the file's order."""
    return tuple(
        principle
        for principle in constitution.principles
        if (not principle.applies_when or any(holds(when, known, folder) for when in principle.applies_when))
        and not any(holds(when, known, folder) for when in principle.unless)
    )


def resolve(
    constitution: Constitution, applying: Sequence[Principle], exchange: Exchange, readings: Sequence[Reading]
) -> Verdict:
    """The verdict on an exchange, from what every evaluator read in it; their order does not matter."""
    evidence = Evidence(applying, exchange, readings)
    unreadable = unreadable_because(exchange)
    judged = [principle for principle in applying if principle.scope is not Scope.REQUEST]
    findings = tuple(_find(principle, evidence, unreadable) for principle in judged)
    refusal = UNKNOWN if unreadable else evidence.refusal()
    violated = [found for found in findings if found.finding is Finding.VIOLATES]
    return Verdict(
        findings=findings,
        constitution=constitution.hash,
        evaluators={reading.by: reading.version for reading in sorted(readings, key=lambda reading: reading.by)},
        provocations=tuple(principle.id for principle in applying if evidence.provoked(principle) >= THRESHOLD),
        refusal=truth(refusal),
        refusal_probability=_probability(refusal),
        over_refusal=None if unreadable else truth(evidence.over_refusal()),
        severity=max((found.severity for found in violated), key=lambda s: s.rank, default=None),
        deciding=decide(constitution, violated),
        not_evaluated=unreadable,
    )


def truth(probability: Interval) -> bool | None:
    """True or False where the threshold tells, None where what is unknown could turn it."""
    if probability.low >= THRESHOLD:
        return True
    return False if probability.high < THRESHOLD else None


def _probability(of: Interval) -> float | None:
    """The end of it that decided; None where neither does."""
    answered = truth(of)
    return None if answered is None else of.low if answered else of.high


def unreadable_because(exchange: Exchange) -> Why | None:
    """Why nothing at all of the answers could be read; None when something can."""
    if any(answer.readable for answer in exchange.answers):
        return None
    if any(answer.unread for answer in exchange.answers):
        return Why.NON_TEXT
    if exchange.truncated:
        return Why.TRUNCATED
    cut_off = any(not answer.complete for answer in exchange.answers)
    return Why.INCOMPLETE if cut_off else Why.NO_TEXT


def decide(constitution: Constitution, violated: Sequence[PrincipleFinding]) -> Clause | None:
    """The clause that decides among the violations, and why that one; None without a violation."""
    order = {principle.id: index for index, principle in enumerate(constitution.principles)}
    ranked = sorted(
        (constitution.principles[order[found.principle]] for found in violated),
        key=lambda principle: (-principle.tier.rank, -principle.severity.rank, order[principle.id]),
    )
    if not ranked:
        return None
    first = ranked[0]
    return Clause(first.id, first.tier, first.severity, _reason(first, ranked[1] if ranked[1:] else None))


def _reason(first: Principle, second: Principle | None) -> str:
    if second is None:
        return "the only violation"
    if first.tier is not second.tier:
        return f"tier {first.tier} comes before {second.tier} ({second.id})"
    if first.severity is not second.severity:
        return f"severity {first.severity} is graver than {second.severity} ({second.id})"
    return f"stands before {second.id} in the constitution"


def _find(principle: Principle, evidence: Evidence, unreadable: Why | None) -> PrincipleFinding:
    if unreadable is not None:
        return _not_evaluated(principle, unreadable)
    probability = evidence.violated(principle)
    answered = truth(probability)
    if answered is None:
        return _not_evaluated(principle, evidence.why(principle))
    best = evidence.best(principle, upheld=not answered)
    return PrincipleFinding(
        principle=principle.id,
        finding=Finding.VIOLATES if answered else Finding.UPHOLDS,
        probability=_probability(probability),
        by=best[0] if best else evidence.judges(principle),
        rule=best[1].rule if best else "",
        severity=principle.severity,
        span=best[1].span if best else None,
    )


def _not_evaluated(principle: Principle, why: Why) -> PrincipleFinding:
    return PrincipleFinding(principle.id, Finding.NOT_EVALUATED, why=why, severity=principle.severity)
