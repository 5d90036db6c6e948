"""From texts to token ids: normalised, a pair behind one another, cut to a length or spread over windows."""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from classifiers.folding import Folder

Ids = NDArray[np.int32]
Text = tuple[str, str | None]
"""A request or free text with None, or a request and the answer to it."""
OVERLAP = 32
"""Tokens that two neighbouring windows share."""
_folder = Folder()
_SKIN_TONES = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


class Tokens(msgspec.Struct, frozen=True):
    """A text's token ids, without those that open, part and end it. `answer` None: there is none."""

    request: Sequence[int]
    answer: Sequence[int] | None


class Encoded(msgspec.Struct, frozen=True):
    """What the network reads of one text: ids, and the segment of each: 0 the request, 1 the answer."""

    ids: Sequence[int]
    segments: Sequence[int]


class Joined(msgspec.Struct, frozen=True):
    """A batch, padded to its longest text: shape (texts, tokens) each, in the order in which the network takes
    them.
    """

    ids: Ids
    mask: Ids
    segments: Ids

    @classmethod
    def of(cls, many: Sequence[Encoded]) -> "Joined":
        """Several texts."""
        longest = max(len(each.ids) for each in many)
        ids, mask, segments = (np.zeros((len(many), longest), dtype=np.int32) for _ in range(3))
        for row, each in enumerate(many):
            size = len(each.ids)
            ids[row, :size], mask[row, :size], segments[row, :size] = each.ids, 1, each.segments
        return cls(ids, mask, segments)


class Layout(msgspec.Struct, frozen=True):
    """How texts stand in a window: `opening` before all, `parting` behind each, `between` times amid a pair.

    pairs: an answer is read behind its request; else alone.
    """

    opening: str = "[CLS]"
    parting: str = "[SEP]"
    between: int = 1
    pairs: bool = True


_OURS = Layout()


class Encoding:
    """A tokenizer, and how texts are laid out for the network."""

    def __init__(self, tokenizer: Tokenizer, layout: Layout = _OURS) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._layout = layout
        self._open, self._part = self._special(layout.opening), self._special(layout.parting)

    def tokens(self, texts: Sequence[Text]) -> list[Tokens]:
        """Whole, however long."""
        requests = self._ids([request for request, _ in texts])
        answers = iter(self._ids([answer for _, answer in texts if answer is not None]))
        return [
            Tokens(request, None if answer is None else next(answers))
            for request, (_, answer) in zip(requests, texts, strict=True)
        ]

    def cut(self, tokens: Tokens, length: int) -> Encoded:
        """One window of at most `length` tokens from the start; a long request gives way to its answer."""
        return next(self.windows(tokens, length))

    def windows(self, tokens: Tokens, length: int) -> Iterator[Encoded]:
        """Overlapping windows over the request, or over the answer, each behind the opening of its request."""
        if tokens.answer is None or not self._layout.pairs:
            text = tokens.request if tokens.answer is None else tokens.answer
            for part in _parts(text, length - 2):
                yield Encoded([self._open, *part, self._part], [0] * (len(part) + 2))
            return
        between = [self._part] * self._layout.between
        room = length - 2 - len(between)
        asked = tokens.request[: max(room - len(tokens.answer), room // 3)]
        for part in _parts(tokens.answer, room - len(asked)):
            ids = [self._open, *asked, *between, *part, self._part]
            yield Encoded(ids, [0] * (len(asked) + 1 + len(between)) + [1] * (len(part) + 1))

    def _special(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no {token}")
        return found

    def _ids(self, texts: Sequence[str]) -> list[Sequence[int]]:
        normalised = [normal(text) for text in texts]
        return [each.ids for each in self._tokenizer.encode_batch_fast(normalised, add_special_tokens=False)]


def normal(text: str) -> str:
    """As a reader sees it (classifiers.folding), pictures by their names."""
    folded = _folder.fold(text).text
    return folded if folded.isascii() else "".join(_named(character) for character in folded)


@lru_cache(maxsize=4096)
def _named(character: str) -> str:
    if character in _SKIN_TONES:
        return ""  # by its name, a colour of skin would seem to be what the text is about
    if unicodedata.category(character) not in ("So", "Sk"):
        return character
    return f" {unicodedata.name(character, 'picture').lower()} "


def _parts(ids: Sequence[int], room: int) -> Iterator[Sequence[int]]:
    """Pieces of at most `room` ids, more than OVERLAP."""
    yield ids[:room]
    for start in range(room - OVERLAP, len(ids) - OVERLAP, room - OVERLAP):
        yield ids[start : start + room]
