"""Where each model's last rollout stands, for whoever asks again and again: what has ended is worked out once."""

import msgspec
import structlog

from gateway.controller.kept_rollout import Kept
from gateway.controller.rollout_series import Standing
from gateway.controller.rollouts import Rollouts
from gateway.ports import Clock
from gateway.rollout.evidence import Evidence
from gateway.rollout.summary import stated

log = structlog.get_logger(__name__)

_DRILL_US = 3_600_000_000
"""How long a drill is shown after its end, so that its page comes; then the last real rollout is, as before."""


class _Ended(msgspec.Struct, frozen=True):
    kept: Kept
    standing: Standing

    @property
    def decided_us(self) -> int:
        """Its last decision, by the wall clock."""
        return max((time_us for _, time_us in self.standing.decided.values()), default=0)


class Standings:
    """Safe to call from any thread."""

    def __init__(self, rollouts: Rollouts, clock: Clock) -> None:
        self._rollouts = rollouts
        self._clock = clock
        self._ended: tuple[int, dict[str, tuple[_Ended | None, _Ended | None]]] = (-1, {})
        """By model the last one, and the last that was no drill, as of so many changes: never of others."""

    def of(self, model: str) -> Standing | None:
        """What its last rollout has come to, as it is now; None: there never was one."""
        changes = self._rollouts.changes
        found = self._rollouts.standing(model)
        if found is not None:
            return found
        ended = self._last(model, changes)
        return None if ended is None else ended.standing

    def kept(self, model: str) -> Kept | None:
        """That rollout itself, which nothing moves any more; None: there never was one."""
        changes = self._rollouts.changes
        if self._rollouts.running(model) is not None:
            return self._rollouts.snapshot(model)
        ended = self._last(model, changes)
        return None if ended is None else ended.kept

    def _last(self, model: str, changes: int) -> _Ended | None:
        known = self._ended
        if known[0] != changes:
            known = self._ended = changes, {}
        ended = known[1]  # another thread may put others in their place meanwhile
        if model not in ended:
            ended[model] = (self._read(model, drills=True), self._read(model, drills=False))
        last, real = ended[model]
        return real if last is None or (last.standing.drill and self._is_past(last)) else last

    def _is_past(self, ended: _Ended) -> bool:
        return self._clock.now_us() - ended.decided_us > _DRILL_US

    def _read(self, model: str, *, drills: bool) -> _Ended | None:
        try:
            kept = self._rollouts.last(model, drills=drills)
        except msgspec.DecodeError as error:  # of another version: no reason to show nothing of all the rest
            log.warning("a rollout that has ended cannot be read", model=model, error=str(error))
            return None
        return None if kept is None else _Ended(kept, _stood(kept))


def _stood(kept: Kept) -> Standing:
    plan, state = kept.terms.plan, kept.state
    return Standing.of(kept, stated(plan, state, Evidence.of(plan, state.book)))
