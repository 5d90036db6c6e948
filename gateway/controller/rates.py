"""What each arm of a model did, counted: exchanges, violations, refusals, units. Counts, and no inference."""

from collections import defaultdict
from collections.abc import Callable

import msgspec

from gateway.controller.tallies import HOUR_US

Query = Callable[[str, tuple[object, ...]], list[tuple[object, ...]]]


class PrincipleCounts(msgspec.Struct, frozen=True):
    """One principle on one arm. Violations are shares of `evaluated`, never of all exchanges."""

    principle: str
    evaluated: int = 0
    violations: int = 0
    provocations: int = 0


class ArmCounts(msgspec.Struct, frozen=True):
    """One arm, by assignment. `violating`: exchanges with at least one violation.

    `units` is exact: everybody who was seen on this arm since then. `forced` exchanges are in no other number.
    """

    arm: str
    principles: tuple[PrincipleCounts, ...] = ()
    units: int = 0
    exchanges: int = 0
    evaluated: int = 0
    not_evaluated: int = 0
    violating: int = 0
    refusal_evaluated: int = 0
    refusals: int = 0
    over_refusal_evaluated: int = 0
    over_refusals: int = 0
    upstream_errors: int = 0
    failed_over: int = 0
    forced: int = 0


class Rates(msgspec.Struct, frozen=True):
    """All arms of a model, from the start of an hour (microseconds since the epoch) until now."""

    model: str
    since_us: int
    arms: tuple[ArmCounts, ...]


_ARMS = """SELECT arm, what, sum(count) FROM arm_tallies WHERE model = ? AND hour >= ? GROUP BY arm, what"""
_PRINCIPLES = """SELECT arm, principle, what, sum(count) FROM principle_tallies
    WHERE model = ? AND hour >= ? GROUP BY arm, principle, what"""
_UNITS = "SELECT arm, count(*) FROM units WHERE model = ? AND hour >= ? GROUP BY arm"


def read_rates(query: Query, model: str, since_us: int) -> Rates:
    """Read the tallies of the hours from the one of `since_us` on."""
    hour = since_us // HOUR_US
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for arm, what, count in query(_ARMS, (model, hour)):
        counts[str(arm)][str(what)] = _number(count)
    for arm, count in query(_UNITS, (model, hour)):
        counts[str(arm)]["units"] = _number(count)
    principles: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for arm, principle, what, count in query(_PRINCIPLES, (model, hour)):
        principles[str(arm)][str(principle)][str(what)] = _number(count)
    arms = (ArmCounts(arm, _of(principles[arm]), **counts[arm]) for arm in sorted(counts))
    return Rates(model, hour * HOUR_US, tuple(arms))


def _of(principles: dict[str, dict[str, int]]) -> tuple[PrincipleCounts, ...]:
    return tuple(PrincipleCounts(principle, **principles[principle]) for principle in sorted(principles))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
