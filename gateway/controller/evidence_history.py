"""A rollout's evidence over canonical time, thin enough to be drawn: a thousand points, however long it runs."""

import msgspec

from gateway.controller.rollout_series import Standing
from gateway.controller.rollouts import Rollouts
from gateway.controller.sqlite_file import SqliteFile
from gateway.core.evidence import DecisionKind, Evidence, Rates

MOST = 1000
"""Points of one rollout; with more every other one goes, and they come half as often."""
_FIRST_US = 2_000_000
_INTERVAL = "SELECT interval_us FROM rollouts WHERE rollout = ?"
_LAST = "SELECT max(time_us) FROM points WHERE rollout = ?"
_KEEP = "INSERT OR REPLACE INTO points VALUES (?, ?, ?)"
_COUNT = "SELECT count(*) FROM points WHERE rollout = ?"
_SET_INTERVAL = "INSERT OR REPLACE INTO rollouts VALUES (?, ?)"
_THIN = """DELETE FROM points WHERE rollout = ?1 AND time_us IN (
    SELECT time_us FROM (
        SELECT time_us, row_number() OVER (ORDER BY time_us) AS place FROM points WHERE rollout = ?1
    ) WHERE place % 2 = 0)"""
_OVER = "DELETE FROM rollouts WHERE rollout NOT IN (SELECT rollout FROM points)"

Interval = tuple[float, float, float]
"""Mean, and the low and the high end of its 95 % confidence sequence."""


class Point(msgspec.Struct, frozen=True):
    """The evidence at a canonical time; lists by guardrail, e-values as log10. See gateway.core.evidence.

    `percent` of the canary. `exchanges`: counted so far, stable and canary. `decision`: of what kind, where the
    point is a decision's.
    """

    time_us: int
    percent: float
    mean: float
    alarm: float
    worse: tuple[float, ...]
    alarms: tuple[float, ...]
    no_worse: tuple[float, ...]
    stable: tuple[Interval, ...]
    canary: tuple[Interval, ...]
    difference: tuple[tuple[float, float], ...]
    budget_spent: float
    exchanges: tuple[int, int]
    decision: DecisionKind | None = None


def point(
    time_us: int, share: float, evidence: Evidence, exchanges: tuple[int, int], decision: DecisionKind | None = None
) -> Point:
    """`share` of the canary, in [0, 1]."""
    rows = evidence.rows
    return Point(
        time_us=time_us,
        percent=round(share * 100, 9),
        mean=evidence.mean,
        alarm=evidence.alarm,
        worse=tuple(row.worse for row in rows),
        alarms=tuple(row.alarm for row in rows),
        no_worse=tuple(row.no_worse for row in rows),
        stable=tuple(_interval(row.stable) for row in rows),
        canary=tuple(_interval(row.canary) for row in rows),
        difference=tuple((row.low, row.high) for row in rows),
        budget_spent=evidence.budget_spent,
        exchanges=exchanges,
        decision=decision,
    )


def _interval(rates: Rates) -> Interval:
    return rates.mean, rates.low, rates.high


class EvidenceHistory:
    """`look` and `purge` from one thread, the others from any."""

    def __init__(self, file: SqliteFile, rollouts: Rollouts) -> None:
        self._file = file
        self._rollouts = rollouts
        self._due: dict[str, int] = {}

    def look(self) -> None:
        """Keep a point of every rollout whose canonical time has gone on far enough. Raises sqlite3.Error."""
        going_on = {running.kept.state.rollout: running for running in self._rollouts.all_running()}
        self._due = {rollout: due for rollout, due in self._due.items() if rollout in going_on}
        for rollout, running in going_on.items():
            if rollout not in self._due:
                self._due[rollout] = self._due_after(rollout)
            if running.kept.state.clock_us >= self._due[rollout]:
                standing = self._rollouts.standing(running.model)
                if standing is not None and standing.rollout == rollout:
                    self._due[rollout] = standing.time_us + self._keep(standing)

    def now(self, model: str, rollout: str) -> Point | None:
        """Its evidence at this moment; None where it does not go on."""
        standing = self._rollouts.standing(model)
        return None if standing is None or standing.rollout != rollout else _of(standing)

    def points(self, rollout: str) -> list[Point]:
        """Those that are kept, in order. Raises QueryTooSlow."""
        query = "SELECT body FROM points WHERE rollout = ? ORDER BY time_us"
        return [msgspec.msgpack.decode(body, type=Point) for (body,) in self._file.query(query, (rollout,))]

    def purge(self, before_us: int) -> int:
        """Forget points from before then; returns how many it forgot."""
        with self._file.transaction() as connection:
            gone = connection.execute("DELETE FROM points WHERE time_us < ?", (before_us,)).rowcount
            connection.execute(_OVER)
        return gone

    def _due_after(self, rollout: str) -> int:
        with self._file.looking() as connection:
            last = connection.execute(_LAST, (rollout,)).fetchone()[0]
            found = connection.execute(_INTERVAL, (rollout,)).fetchone()
        return 0 if last is None else last + (_FIRST_US if found is None else found[0])

    def _keep(self, standing: Standing) -> int:
        """Returns after how many microseconds the next one is due."""
        rollout = standing.rollout
        with self._file.transaction() as connection:
            connection.execute(_KEEP, (rollout, standing.time_us, msgspec.msgpack.encode(_of(standing))))
            found = connection.execute(_INTERVAL, (rollout,)).fetchone()
            interval: int = _FIRST_US if found is None else found[0]
            if connection.execute(_COUNT, (rollout,)).fetchone()[0] > MOST:
                connection.execute(_THIN, (rollout,))
                interval *= 2
            connection.execute(_SET_INTERVAL, (rollout, interval))
        return interval


def _of(standing: Standing) -> Point:
    return point(standing.time_us, standing.share, standing.evidence, standing.exchanges)
