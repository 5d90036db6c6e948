"""Why a text could not be read whole, as far as the exchange itself tells."""

from classifiers.exchange import Answer, Exchange
from classifiers.verdict import Why


def answer_unread(answer: Answer, exchange: Exchange) -> Why | None:
    """None when all of the answer is there to read."""
    if answer.unread:
        return Why.NON_TEXT
    if not answer.readable:
        return Why.NO_TEXT
    if exchange.truncated:
        return Why.TRUNCATED
    return None if answer.complete else Why.INCOMPLETE


def request_unread(exchange: Exchange) -> Why | None:
    """None when all that the user sent is text."""
    return Why.NON_TEXT if any(turn.unread for turn in exchange.turns if turn.role == "user") else None
