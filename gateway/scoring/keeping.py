"""What is kept of an exchange to be read by people: redacted, bounded, and with the verdict's spans moved along."""

from collections.abc import Mapping, Sequence

import msgspec

from classifiers.exchange import Answer, Exchange, Turn
from classifiers.verdict import PrincipleFinding, Span, Verdict
from gateway.scoring.edits import Edits
from gateway.scoring.redact import redact
from gateway.scoring.texts import KeptText

KEPT_CHARS = 1 << 17
"""Characters kept of one exchange, about 30,000 tokens: what is longer is cut, and says so."""
_FRAYED = 128
"""Characters dropped before a cut: it may go through a card's number, whose first half is not recognised."""


def keep(exchange: Exchange, names: Mapping[str, str], verdict: Verdict) -> tuple[KeptText, Verdict]:
    """The text to keep, the answers first, then the turns from the last backwards; and the verdict of that text.

    Its spans, which were places in what the model wrote, are places in what is kept (None where it was cut).
    """
    room = _Room(names)
    answers = [_Parts(answer, room) for answer in exchange.answers]
    turns = [Turn(turn.role, room.take(turn.text).text, turn.unread) for turn in reversed(exchange.turns)]
    kept = KeptText(
        exchange_id=exchange.id,
        model=exchange.model,
        turns=tuple(reversed(turns)),
        answers=tuple(parts.kept for parts in answers),
        cut=room.cut or exchange.truncated,
    )
    findings = tuple(_moved(found, answers) for found in verdict.findings)
    return kept, msgspec.structs.replace(verdict, findings=findings)


class _Piece(msgspec.Struct, frozen=True):
    """One text of an answer: how long it was, what is kept of it, how the two fit."""

    length: int
    text: str
    edits: Edits


class _Room:
    """Hands out KEPT_CHARS to one text after another."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._left = KEPT_CHARS
        self.cut = False

    def take(self, text: str) -> _Piece:
        """`text` redacted, as far as there is room."""
        room, self._left = self._left, max(self._left - len(text), 0)
        redacted = redact(text[:room], self._names)
        if len(text) <= room:
            return _Piece(len(text), redacted.text, redacted.edits)
        self.cut = True
        return _Piece(len(text), redacted.text[:-_FRAYED], redacted.edits)


class _Parts:
    """An answer's texts, in the order of `Answer.readable`."""

    def __init__(self, answer: Answer, room: _Room) -> None:
        self._pieces = [room.take(text) for text in (answer.text, answer.reasoning, *answer.tool_calls)]
        text, reasoning, *calls = (piece.text for piece in self._pieces)
        self.kept = msgspec.structs.replace(answer, text=text, reasoning=reasoning, tool_calls=tuple(calls))

    def place(self, start: int, end: int) -> tuple[int, int] | None:
        """Where a piece of the raw `readable` is in the kept one; None where it was cut."""
        was = now = 0
        for piece in self._pieces:
            if was <= start and end <= was + piece.length:
                at, until = piece.edits.place(start - was, end - was)
                return (now + at, now + until) if until <= len(piece.text) else None
            was += piece.length + bool(piece.length)
            now += len(piece.text) + bool(piece.text)
        return None


def _moved(found: PrincipleFinding, answers: Sequence[_Parts]) -> PrincipleFinding:
    span = found.span
    if span is None:
        return found
    placed = answers[span.answer].place(span.start, span.end) if span.answer < len(answers) else None
    return msgspec.structs.replace(found, span=None if placed is None else Span(span.answer, *placed))
