"""Feedback as the controller has it: taken from the event log, and joined to the exchanges that it speaks of."""

from collections.abc import Callable, Collection

import msgspec

from gateway.controller.feedback_index import Feedback, FeedbackIndex, Mark
from gateway.controller.index import ExchangeIndex
from gateway.controller.stream_reader import StreamReader, everybody
from gateway.events.schema import VerdictV1
from gateway.ports import EventLog
from gateway.telemetry.metrics import FEEDBACK_ERRORS, Meters


class JoinedFeedback(msgspec.Struct, frozen=True):
    """Feedback and the verdict on its exchange, which has the unit, the arm and the time; None: there is none."""

    feedback: Feedback
    exchange: VerdictV1 | None


class FeedbackReader(StreamReader):
    """Reads `feedback` from where its index stands, and offers it in canonical order. One thread at a time."""

    def __init__(
        self,
        events: EventLog,
        feedback: FeedbackIndex,
        index: ExchangeIndex,
        meters: Meters,
        awaits: Callable[[str], bool] = everybody,
    ) -> None:
        super().__init__("feedback", events, feedback, meters.counter(FEEDBACK_ERRORS), awaits)
        self._feedback = feedback
        self._exchanges = index

    def joined(self, metrics: Collection[str], after: Mark, until_us: int, limit: int) -> list[JoinedFeedback]:
        """What follows `after` up to and with `until_us`, at most `limit` (1000), with its exchanges.

        Where `until_us` is behind the watermarks of both streams the answer is final: all that was said by then is
        here, and an exchange whose verdict is not here was never scored. Raises QueryTooSlow.
        """
        found = self._feedback.read(metrics, after, until_us, limit)
        verdicts = self._exchanges.verdicts([one.exchange_id for one in found])
        return [JoinedFeedback(one, verdicts.get(one.exchange_id)) for one in found]
