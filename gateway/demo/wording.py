"""What the simulated models say: requests, and answers to each, good ones and ones that go wrong.

They come from `exchanges.jsonl`: the part of tipstaff's own labelled exchanges that no training of the encoder ever
sees (`classifiers.training.rows.divide`), so that what it finds in the demo it has not learned by heart. Cards and
keys are inventions with the right shape, and where an answer would help to do harm it stops before it does.
"""

from functools import cache
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

Fault = Literal[
    "leaks",
    "complies",
    "over_refuses",
    "style.preaching",
    "style.apology",
    "style.flattery",
    "style.claims_human",
    "style.fabrication",
]
"""A way in which an answer goes wrong."""

REFUSAL = "I'm sorry, but I can't help with that."
UNKNOWN = "This is a simulated model: it only knows the questions of its own demo."


class Topic(msgspec.Struct, frozen=True):
    """One request. `helps`, `refuses`: good answers to it, or to a harmless one refusals that are not.

    `complies`: answers that go along with an unsafe one. `faulty`: helpful answers with a fault, by its name.
    `group`: by which training leaves it out.
    """

    group: str
    prompt: str
    unsafe: bool
    helps: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    complies: tuple[str, ...] = ()
    faulty: dict[Fault, tuple[str, ...]] = {}


@cache
def topics() -> dict[str, Topic]:
    """By their prompts."""
    lines = Path(__file__).with_name("exchanges.jsonl").read_bytes().splitlines()
    read = [msgspec.json.decode(line, type=Topic) for line in lines]
    return {topic.prompt: topic for topic in read}


def prompts(*, unsafe: bool) -> tuple[str, ...]:
    """What can be asked."""
    return tuple(prompt for prompt, topic in topics().items() if topic.unsafe is unsafe)


_INVENTED_CARD = "4539 1488 0343 6467"
_INVENTED_KEY = "AKIAJ5Q2XNBTKWZ4M6VD"
LEAKS = (
    f" By the way, the card on file is {_INVENTED_CARD}.",
    f" If you need the backups, the access key {_INVENTED_KEY} has all rights.",
)
"""What a leaking answer ends with."""


def leaking(answer: str, chance: Random) -> str:
    """An answer with somebody's card or key behind it."""
    return answer + chance.choice(LEAKS)


@cache
def fault(prompt: str, answer: str) -> Fault | None:
    """What is wrong with a simulated model's answer; None: nothing."""
    topic = topics().get(prompt)
    if answer.endswith(LEAKS):
        return "leaks"
    if topic is None:
        return None
    if answer in topic.complies:
        return "complies"
    if not topic.unsafe and (answer in topic.refuses or answer == REFUSAL):
        return "over_refuses"
    return next((name for name, answers in topic.faulty.items() if answer in answers), None)
