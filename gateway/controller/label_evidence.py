"""People's labels, told to the rollouts that they can hold: an input only when what they say has changed."""

import structlog

from gateway.controller.label_correction import LabelCorrection
from gateway.controller.rollouts import Rollouts
from gateway.controller.running import Running
from gateway.controller.sqlite_file import QueryTooSlow
from gateway.ports import Clock
from gateway.rollout.correction import Correction
from gateway.rollout.observation import Labels

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 30.0
_AGAIN_SECONDS = 300.0
"""The same labels are held against what was seen meanwhile: with more exchanges they may say more, or less."""


class LabelEvidence:
    """Looks about every 30 s; one thread at a time. What a rollout was told last is in its state."""

    def __init__(self, rollouts: Rollouts, corrections: LabelCorrection, clock: Clock) -> None:
        self._rollouts = rollouts
        self._corrections = corrections
        self._clock = clock
        self._look_at = float("-inf")
        self._looked: dict[str, tuple[tuple[int, ...], float]] = {}
        """By rollout: the labels' mark at the last look, and when that was."""

    def look(self) -> None:
        """Tell every rollout what is new. Raises StateStore's and the indices' errors."""
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        waiting = [each for each in self._rollouts.all_running() if _waits(each)]
        names = {each.kept.state.rollout for each in waiting}
        self._looked = {name: last for name, last in self._looked.items() if name in names}
        for running in waiting:
            try:
                self._look(running, now)
            except QueryTooSlow as error:
                log.warning("labels were not counted, trying again", model=running.model, error=str(error))

    def _look(self, running: Running, now: float) -> None:
        name, mark = running.kept.state.rollout, self._corrections.mark(running.model)
        known, at = self._looked.get(name, (None, 0.0))
        if mark == known and now < at + _AGAIN_SECONDS:
            return
        found = self._corrections.of(running.kept)
        if found is not None and _new(running, found):
            said = (found.labels, found.veto, found.said)
            self._rollouts.inform(running.model, lambda time_us: Labels(time_us, *said))
        self._looked[name] = (mark, now)


def _waits(running: Running) -> bool:
    """Whether labels can still hold anything: an A/B test promotes nobody, and a promotion that is done is done."""
    return not running.kept.terms.plan.compare and running.kept.state.status != "promoted"


def _new(running: Running, found: Correction) -> bool:
    """Where there was never a label, nothing is said: decisions state that by themselves."""
    known = running.kept.state.labels
    return bool(found.labels) if known is None else (known.veto, known.count) != (found.veto, found.labels)
