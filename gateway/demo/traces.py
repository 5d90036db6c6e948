"""What users' answers show afterwards: who was sent where, and when."""

from collections.abc import Iterable

from gateway.demo.users import Asked

REACH_SECONDS = 1.0
"""Within this time a change of weights must have reached every proxy."""


def to_arm(asked: Iterable[Asked], arm: str, since: float, until: float = float("inf")) -> list[Asked]:
    """Requests to `arm` that were sent after `since` and not after `until`."""
    return [each for each in asked if each.arm == arm and since < each.sent <= until]


def lost(asked: Iterable[Asked], arm: str, until: float) -> set[str]:
    """Users who had `arm`, and another one in an answer that began before `until`: while its share rises, nobody.

    Two requests within the time that a change takes to reach every proxy may overtake each other.
    """
    first: dict[str, float] = {}
    for each in asked:
        if each.arm == arm:
            first[each.user] = min(each.sent, first.get(each.user, each.sent))
    return {
        each.user
        for each in asked
        if each.arm not in (arm, "") and each.sent > first.get(each.user, float("inf")) + REACH_SECONDS
        if each.sent + (each.first_byte or 0.0) < until
    }


def statuses(asked: Iterable[Asked]) -> str:
    """How many answers had which status, in words."""
    found = [each.status for each in asked]
    return ", ".join(f"{status or 'nothing'}: {found.count(status)}" for status in sorted(set(found)))
