"""What one evaluator says of one exchange, before anything is resolved: the seam for encoder and judges."""

import msgspec

from classifiers.rule import Finds
from classifiers.verdict import Span, Why


class Signal(msgspec.Struct, frozen=True):
    """One thing that was found, with its calibrated probability in [0, 1].

    `principle` is empty when it speaks of the whole: a refusal, a harmless request, or a harmful answer of whatever
    kind. `answer` is the answer's index, None for the request. `rule` names what found it.
    """

    finds: Finds
    probability: float
    principle: str = ""
    answer: int | None = None
    rule: str = ""
    span: Span | None = None


class Reading(msgspec.Struct, frozen=True):
    """All that one evaluator found in one exchange, and what it could not judge.

    unsaid: principle id -> why this evaluator cannot say that the principle is upheld, even where it found nothing.
    refusal_unsaid: answer's index -> why it cannot say that the answer is no refusal. Both empty: it read
    everything and can judge everything.
    harm_unsaid: answer's index -> why it cannot say that the answer does no harm of any kind; None: it never can.
    An answer that does none upholds every principle of that sort, also one whose subject nobody knows.
    """

    by: str
    version: str
    signals: tuple[Signal, ...] = ()
    unsaid: dict[str, Why] = {}
    refusal_unsaid: dict[int, Why] = {}
    harm_unsaid: dict[int, Why] | None = None
