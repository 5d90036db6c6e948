"""Feedback as evidence: what people say of exchanges, given to the rollouts whose plans ask for it."""

from gateway.controller.feedback import FeedbackReader, JoinedFeedback
from gateway.controller.feedback_index import Mark
from gateway.controller.rollouts import Rollouts
from gateway.controller.running import Running
from gateway.rollout.observation import SCALE, Report

_MOST = 1000
_KIND = "feedback:"


class Reporting:
    """Takes feedback on, as far as both it and the verdicts on its exchanges are complete. One thread at a time."""

    def __init__(self, rollouts: Rollouts, feedback: FeedbackReader) -> None:
        self._rollouts = rollouts
        self._feedback = feedback

    def step(self) -> int:
        """Returns how much there was. Raises StateStore's and the indices' errors."""
        return sum(self._tell(running) for running in self._rollouts.all_running())

    def _tell(self, running: Running) -> int:
        places = {
            each.metric.removeprefix(_KIND): place
            for place, each in enumerate(running.kept.terms.plan.guardrails)
            if each.metric.startswith(_KIND)
        }
        until_us = min(self._rollouts.watermark_us, min(self._feedback.watermarks.values(), default=0))
        after = Mark(*max(running.kept.heard, (running.kept.state.started_us, "")))
        if not places or until_us <= after.time_us:
            return 0
        found = self._feedback.joined(places, after, until_us, _MOST)
        if found:
            last = found[-1].feedback
            reports = tuple(report for each in found if (report := _report(running, each, places)) is not None)
            self._rollouts.report(running.model, (last.time_us, last.id), reports)
        return len(found)


def _report(running: Running, given: JoinedFeedback, places: dict[str, int]) -> Report | None:
    """None: no evidence. Only the first word on an exchange is, and only of an exchange of one of both arms."""
    terms, event = running.kept.terms, given.exchange
    if event is None or not given.feedback.first or event.model != running.model or event.assignment.forced:
        return None
    if event.assignment.assigned not in (terms.stable, terms.canary):
        return None
    return Report(
        exchange_id=event.exchange_id,
        unit=event.assignment.unit_hash,
        canary=event.assignment.assigned == terms.canary,
        place=places[given.feedback.metric],
        value=round(given.feedback.value * SCALE),
    )
