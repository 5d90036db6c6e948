"""Which exchanges people are asked about: a stratified random sample without replacement. Pure.

A stratum is an arm and whether the classifiers flagged the exchange: violations are rare, so a plain random sample
would hold hardly any. Within a stratum each exchange has a place that depends on the seed and its id alone
(BLAKE2b), and those with the lowest places are taken: a simple random sample (Ohlsson, "Sequential Poisson
sampling", 1998, on permanent random numbers), the same for the same seed, whatever the order in which it is read.
"""

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b

import msgspec

ANY = "any"
"""In the place of a principle: flagged, or violating, whichever principle it was."""
HARMLESSNESS = "harmlessness"
"""In the place of a principle: whichever of that tier it was. It is what a rollout's guardrail `harm` reads."""
_PLACES = 1 << 63


class Stratum(msgspec.Struct, frozen=True, order=True):
    """A part of the population. `arm`: the assigned one."""

    arm: str
    flagged: bool


class Frame(msgspec.Struct, frozen=True):
    """The population: the model's exchanges with since <= canonical time < until (microseconds) that were evaluated
    and whose arm no operator forced. Flagged: the classifiers found that `principle` (or ANY, or one of
    HARMLESSNESS) was violated.
    """

    model: str
    principle: str
    since_us: int
    until_us: int


class Drawn(msgspec.Struct, frozen=True):
    """One exchange of a sample. `probability`: with which it got there, drawn / population of its stratum."""

    exchange_id: str
    time_us: int
    stratum: Stratum
    probability: float


def allocate(populations: Mapping[Stratum, int], size: int) -> dict[Stratum, int]:
    """How many to draw of each stratum: the same number, and where one has fewer, all of it and more of the others.

    Adds up to min(size, all there are). What does not divide goes to the larger strata.
    """
    given: dict[Stratum, int] = {}
    left = size
    smallest_first = sorted(populations, key=lambda stratum: (populations[stratum], stratum))
    for done, stratum in enumerate(smallest_first):
        given[stratum] = min(populations[stratum], left // (len(smallest_first) - done))
        left -= given[stratum]
    return given


def place(seed: int, exchange_id: str) -> int:
    """Where an exchange stands in its stratum: uniform in [0, 2^63), independent between exchanges and seeds."""
    key = seed.to_bytes(8, "big", signed=True)
    return int.from_bytes(blake2b(exchange_id.encode(), digest_size=8, key=key).digest(), "big") >> 1


def in_turn(seed: int, drawn: Mapping[str, Stratum]) -> list[str]:
    """The order in which people are asked about the sample that was drawn with this seed: random, independent of
    what was drawn, each stratum spread evenly over it. Whoever labels only the first so many has labelled a random
    sample of each stratum, and soon met them all.

    The i-th (from 0, by chance) of a stratum's n comes at (i + u) / n, u uniform in [0, 1).
    """
    sizes = Counter(drawn.values())
    met: Counter[Stratum] = Counter()
    turns = []
    for chance, exchange_id in sorted((place(~seed, exchange_id), exchange_id) for exchange_id in drawn):
        stratum = drawn[exchange_id]
        within = place(chance, exchange_id) / _PLACES
        turns.append(((met[stratum] + within) / sizes[stratum], exchange_id))
        met[stratum] += 1
    return [exchange_id for _, exchange_id in sorted(turns)]
