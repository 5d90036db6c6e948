"""Many exchanges, whole, one JSON line each."""

from collections.abc import Iterator, Sequence
from itertools import chain

from gateway.controller.exchange_query import Cursor, ExchangeFilter, ExchangeRow
from gateway.controller.feedback_index import FeedbackIndex
from gateway.controller.index import ExchangeIndex
from gateway.controller.parts import Texts
from gateway.controller.routers.exchange_detail import detail
from gateway.curation.store import LabelStore

_PAGE = 200
"""Exchanges that are looked up at once; no more of them are ever in memory."""


class ExchangeExport:
    """Over one controller's files; from any thread."""

    def __init__(self, index: ExchangeIndex, texts: Texts, feedback: FeedbackIndex, labels: LabelStore) -> None:
        self._index = index
        self._texts = texts
        self._feedback = feedback
        self._labels = labels

    def lines(self, wanted: ExchangeFilter, limit: int, *, withheld: bool) -> Iterator[str]:
        """At most `limit`, the newest first. `withheld`: without texts, which is said of each that there is.

        The first page is looked up before this returns, so that what fails at once is no half file. Raises
        QueryTooSlow, also from the iterator.
        """
        pages = self._pages(wanted, limit)
        first = next(pages, ())
        return (line for rows in chain((first,), pages) for line in self._written(rows, withheld=withheld))

    def _pages(self, wanted: ExchangeFilter, limit: int) -> Iterator[Sequence[ExchangeRow]]:
        after: Cursor | None = None
        while limit and (rows := self._index.find(wanted, min(limit, _PAGE), after)):
            yield rows
            limit -= len(rows)
            after = Cursor(rows[-1].time_us, rows[-1].id)

    def _written(self, rows: Sequence[ExchangeRow], *, withheld: bool) -> Iterator[str]:
        """What was purged since it was found is passed over."""
        events = self._index.verdicts([row.id for row in rows])
        judged = self._labels.words(list(events))
        for event in (events[row.id] for row in rows if row.id in events):
            text = self._texts.get(event.exchange_id)
            hidden = withheld and text is not None
            said = self._feedback.of(event.exchange_id)
            words = judged.get(event.exchange_id, ())
            yield detail(event, None if hidden else text, said, words, withheld=hidden).model_dump_json() + "\n"
