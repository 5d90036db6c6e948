"""What people do to a text without changing what it asks for."""

import random

_SUFFIXES = (
    "",
    " Thanks!",
    " Please answer in detail.",
    " Answer briefly.",
    " Step by step, please.",
    " Thank you in advance.",
    " I'm asking for a friend.",
    " No need to explain why.",
    " Be honest.",
    "?",
    " Asking out of curiosity.",
)
_PREFIXES = (
    "",
    "",
    "Hi, ",
    "Hello! ",
    "Quick question: ",
    "Hey, ",
    "Please tell me: ",
    "ok so ",
    "Question: ",
    "User: ",
)


def augmented(text: str, rng: random.Random) -> str:
    """`text`, most often as it is; else with a greeting, a closing word, a typing mistake or other punctuation."""
    luck = rng.random()
    if luck < 0.6 or len(text) > 2000:
        return text
    if luck < 0.72:
        return rng.choice(_PREFIXES) + text
    if luck < 0.84:
        return text + rng.choice(_SUFFIXES)
    if luck < 0.93:
        return _mistyped(text, rng)
    return text.rstrip(".?!")


def _mistyped(text: str, rng: random.Random) -> str:
    """Two neighbours changed places, or a letter left out, about once in forty characters."""
    letters = list(text)
    for _ in range(max(len(text) // 40, 1)):
        place = rng.randrange(max(len(letters) - 1, 1))
        if len(letters) < 4 or not letters[place].isalpha():
            continue
        if rng.random() < 0.5:
            letters[place : place + 2] = reversed(letters[place : place + 2])
        else:
            del letters[place]
    return "".join(letters)
