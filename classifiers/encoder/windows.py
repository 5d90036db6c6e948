"""Which windows of an exchange are read, where not all can be."""

from collections.abc import Sequence

import msgspec

from classifiers.encoder.encoding import Encoded, Encoding, Tokens


class Windows(msgspec.Struct, frozen=True):
    """What is read of one exchange. answers: by the answer's index. left: how many windows of the user's turns, and
    of each answer, are not.
    """

    request: list[Encoded]
    answers: list[list[Encoded]]
    request_left: int
    answers_left: list[int]


def chosen(
    encoding: Encoding, turns: Sequence[Tokens], answers: Sequence[Tokens], length: int, most: int
) -> Windows:
    """At most `most` windows of `length` tokens: of the last user turn up to half of them, then the answers, then
    the rest of that turn, then earlier ones.

    `turns`: what the user said, the last first.
    """
    asked = [list(encoding.windows(each, length)) for each in turns]
    replied = [list(encoding.windows(each, length)) if each.answer else [] for each in answers]
    opening = asked[0][: most // 2] if asked else []
    rest = [window for turn in asked for window in turn][len(opening) :]
    room = most - len(opening)
    read = []
    for reply in replied:
        read.append(reply[:room])
        room -= len(read[-1])
    return Windows(
        [*opening, *rest[:room]],
        read,
        len(rest[room:]),
        [len(reply) - len(kept) for reply, kept in zip(replied, read, strict=True)],
    )
