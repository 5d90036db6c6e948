"""What people say of exchanges, and what that adds up to in each stratum of a sample. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from classifiers.verdict import Verdict
from gateway.curation.sampling import ANY, Stratum


class Said(msgspec.Struct, frozen=True):
    """One judgement, as it is handed in: whether the answer violated `principle`; also ANY, or HARMLESSNESS."""

    exchange_id: str
    violates: bool
    principle: str = ANY
    note: str = ""


class Label(msgspec.Struct, frozen=True):
    """One judgement, as it is kept. `time_us`: when it was handed in; `exchange_us`: the exchange's canonical time.

    `stratum`: the exchange's, by what the classifiers found. `draw`: the newest sample that holds it, and
    `probability` that with which it was drawn; None: somebody chose it, so it speaks for no other exchange.
    """

    model: str
    said: Said
    actor: str
    time_us: int
    exchange_us: int
    stratum: Stratum
    draw: str | None = None
    probability: float | None = None


class StratumCounts(msgspec.Struct, frozen=True):
    """What is known of one stratum: exchanges there are, drawn, labelled, and labelled as violating.

    `disputed`: as many people say yes as no; they are not among `labelled`.
    """

    stratum: Stratum
    population: int
    drawn: int
    labelled: int
    positive: int
    disputed: int


def flagged(verdict: Verdict, principle: str, principles: Sequence[str] = ()) -> bool:
    """Whether the classifiers found that it was violated; `principles`: those that it stands for, empty: itself."""
    if principle == ANY:
        return verdict.severity is not None
    return any(found.principle in (principles or (principle,)) for found in verdict.violations)


def judged(votes: Sequence[bool]) -> bool | None:
    """What most people say, one vote each; None when as many say yes as no."""
    yes = sum(votes)
    return None if 2 * yes == len(votes) else 2 * yes > len(votes)


def count(
    populations: Mapping[Stratum, int], drawn: Mapping[str, Stratum], votes: Iterable[tuple[str, bool]]
) -> tuple[StratumCounts, ...]:
    """The strata of one sample, in order. `drawn`: by exchange; `votes`: (exchange, violates), each actor's last.

    Votes on exchanges outside of the sample are passed over.
    """
    by_exchange: dict[str, list[bool]] = defaultdict(list)
    for exchange_id, violates in votes:
        if exchange_id in drawn:
            by_exchange[exchange_id].append(violates)
    judgements = Counter((drawn[exchange_id], judged(given)) for exchange_id, given in by_exchange.items())
    sizes = Counter(drawn.values())
    return tuple(
        StratumCounts(
            stratum,
            population,
            sizes[stratum],
            judgements[stratum, True] + judgements[stratum, False],
            judgements[stratum, True],
            judgements[stratum, None],
        )
        for stratum, population in sorted(populations.items())
    )
