"""What a rollout must know beside verdicts: whether arms can serve, whether they changed, whether anything is seen.

Facts become inputs of the rollout only when they change, so that its record stays short and a replay sees the same.
"""

from collections.abc import Iterable, Sequence

from gateway.controller.rollouts import Rollouts
from gateway.controller.running import Running
from gateway.controller.statuses import Statuses
from gateway.core.status import ArmStatus, ProxyStatus
from gateway.ports import Clock
from gateway.rollout.observation import Health, Silence

_BLIND_SECONDS = 10.0
"""For so long the watermark may stand still: a scorer that starts again takes a few seconds."""
_TOLD_SECONDS = 60.0


class Surroundings:
    """Looks around about once a second; one thread at a time."""

    def __init__(self, rollouts: Rollouts, statuses: Statuses, clock: Clock) -> None:
        self._rollouts = rollouts
        self._statuses = statuses
        self._clock = clock
        self._moved_at = clock.monotonic()
        self._watermark_us = 0

    def look(self) -> None:
        """Tell every rollout what changed. Raises StateStore's errors."""
        blind = self._blind()
        fresh = [status for status in self._statuses.read() if not self._statuses.stale(status)]
        for running in self._rollouts.all_running():
            self._tell_health(running, fresh)
            self._tell_silence(running, blind)

    def _blind(self) -> float:
        """Seconds for which the watermark has stood still; 0 while it moves."""
        now = self._clock.monotonic()
        if self._rollouts.watermark_us != self._watermark_us:
            self._watermark_us, self._moved_at = self._rollouts.watermark_us, now
        still = now - self._moved_at
        return still if still >= _BLIND_SECONDS else 0.0

    def _tell_health(self, running: Running, fresh: Sequence[ProxyStatus]) -> None:
        terms, known = running.kept.terms, running.kept.state.health
        stable, canary = (healthy(fresh, running.model, arm) for arm in (terms.stable, terms.canary))
        if stable is None or canary is None:
            return  # no proxy is up: nothing is served, and nothing is known
        now_served = served(fresh, running.model)
        changed = next(
            (arm for arm, said in terms.served.items() if now_served.get(arm, said) not in ("", said)), ""
        )
        if known is None or (known.stable, known.canary, known.changed) != (stable, canary, changed):
            self._rollouts.inform(running.model, lambda time_us: Health(time_us, stable, canary, changed))

    def _tell_silence(self, running: Running, blind: float) -> None:
        known = 0.0 if running.kept.state.silence is None else running.kept.state.silence.blind
        told = blind // _TOLD_SECONDS * _TOLD_SECONDS or (_BLIND_SECONDS if blind else 0.0)
        if told != known:
            self._rollouts.inform(running.model, lambda time_us: Silence(time_us, told))


def healthy(statuses: Iterable[ProxyStatus], model: str, arm: str) -> float | None:
    """Share in [0, 1] of an arm's endpoints that are healthy, over all proxies; None: no proxy says anything."""
    found = [endpoint.healthy for each in _arms(statuses, model) if each.arm == arm for endpoint in each.endpoints]
    return sum(found) / len(found) if found else None


def served(statuses: Iterable[ProxyStatus], model: str) -> dict[str, str]:
    """Arm -> what its servers say that they are, the same text for the same; empty where they say nothing."""
    said: dict[str, set[str]] = {}
    for each in _arms(statuses, model):
        for endpoint in each.endpoints:
            if endpoint.served_models or endpoint.server_version:
                words = f"{endpoint.server_version} {' '.join(sorted(endpoint.served_models))}"
                said.setdefault(each.arm, set()).add(words)
    return {arm: "; ".join(sorted(words)) for arm, words in said.items()}


def _arms(statuses: Iterable[ProxyStatus], model: str) -> list[ArmStatus]:
    return [arm for status in statuses for arm in status.arms if arm.model == model]
