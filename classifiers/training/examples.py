"""From labelled rows to what the network sees: a text or a pair, and what each head should say of it.

Two forms. A request (or any free text) is read alone, and its heads speak of it. An answer is read behind the
request that it answers, and its heads speak of the answer. So no head that speaks of a request ever sees the
answer.
"""

import random
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from classifiers.encoder.heads import ANSWER_PREFIX, HARMS, STYLES, UNSAFE
from classifiers.training.rows import Row

_PLAIN_STYLE = frozenset({"gpteacher_codegen", "gsm8k", "self_instruct", "tldr_commands"})
"""Sources whose answers have none of the style faults, though their labels don't say so."""
JUDGES_REPLY = frozenset({"diasafety"})
"""Sources whose harm labels speak of the reply."""


class Example(msgspec.Struct, frozen=True):
    """`answer` None: the request form. `targets`: 0 or 1 by head; a head that isn't there is unknown."""

    source: str
    group: str
    request: str
    answer: str | None
    targets: dict[str, float]


def request_form(row: Row) -> Example | None:
    """The request, or the free text, by itself; None where nothing is known of it."""
    if row.source in JUDGES_REPLY:
        return None
    labels = row.labels
    targets = {name: float(labels[name]) for name in (*HARMS, "jailbreak") if name in labels}
    unsafe = _unsafe(labels)
    if unsafe is not None:
        targets[UNSAFE] = unsafe
    return Example(row.source, row.group, row.prompt, None, targets) if targets else None


def answer_form(row: Row) -> Example | None:
    """The reply behind its request; None where there is none or nothing is known of it."""
    if row.response is None:
        return None
    labels = row.labels
    targets = {name: float(labels[name]) for name in ("refusal", *STYLES) if name in labels}
    if row.source in _PLAIN_STYLE:
        targets |= dict.fromkeys(STYLES, 0.0)
    harmful = labels.get("harmful_response")
    harms = {name: labels[name] for name in HARMS if name in labels}
    if row.source in JUDGES_REPLY:
        harmful = max(harms.values(), default=None)
    elif harmful is None and labels.get("refusal") == 1:
        harmful = 0
    if harmful is not None:
        targets["harmful_response"] = float(harmful)
        targets |= {
            ANSWER_PREFIX + name: float(value and harmful) for name, value in harms.items() if value or harmful
        }
        if not harmful:
            targets |= {ANSWER_PREFIX + name: 0.0 for name in HARMS}
    return Example(row.source, row.group, row.prompt, row.response, targets) if targets else None


def as_answer(row: Row, request: str) -> Example | None:
    """A free text as if a model had written it: what is hateful in a post is hateful in an answer."""
    unsafe = _unsafe(row.labels)
    if row.kind != "text" or unsafe is None:
        return None
    targets = {ANSWER_PREFIX + name: float(row.labels[name]) for name in HARMS if name in row.labels}
    targets |= {"harmful_response": unsafe, "refusal": 0.0}
    return Example(row.source, row.group, request, row.prompt, targets)


def swapped(asked: Row, answered: Row) -> Example | None:
    """A request with the reply to another: a harmless one doesn't become harmful by what was asked, nor does a
    refusal become help.
    """
    if answered.response is None or asked.group == answered.group:
        return None
    refusal = answered.labels.get("refusal")
    harmless = answered.labels.get("harmful_response") == 0 or refusal == 1 or answered.labels.get("benign") == 1
    if refusal is None or not harmless:
        return None
    targets = {ANSWER_PREFIX + name: 0.0 for name in HARMS} | {"harmful_response": 0.0, "refusal": float(refusal)}
    return Example(asked.source, asked.group, asked.prompt, answered.response, targets)


def made(rows: Sequence[Row]) -> list[Example]:
    """Every form of every row as it stands."""
    return [each for row in rows for each in (request_form(row), answer_form(row)) if each is not None]


def epoch(rows: Sequence[Row], limits: "Limits", rng: random.Random) -> list[Example]:
    """What one epoch sees: at most `limits.most` rows of a source, those of contrast sets `limits.weight` times and
    their exchanges twice as often, and as many made-up exchanges as `limits.mixed` says.
    """
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    taken: list[Row] = []
    for source, own in sorted(by_source.items()):
        if is_contrast(source):
            taken += own * limits.weight
            taken += [row for row in own if row.kind == "exchange"] * limits.weight
        else:
            taken += own if len(own) <= limits.most else rng.sample(own, limits.most)
    found = made(taken)
    found += _mixed(taken, round(limits.mixed * len(found)), rng)
    rng.shuffle(found)
    return found


def is_contrast(source: str) -> bool:
    """Whether the source was written so that words do not give the label away: by its name, contrast* or own_*."""
    return source.startswith(("contrast", "own_"))


class Limits(msgspec.Struct, frozen=True):
    """See `epoch`. mixed: made-up exchanges for each example that is not."""

    most: int = 600
    weight: int = 4
    mixed: float = 0.2


def _mixed(rows: Sequence[Row], count: int, rng: random.Random) -> Iterator[Example]:
    texts = [row for row in rows if row.kind == "text" and _unsafe(row.labels) is not None]
    prompts = [row for row in rows if row.kind != "text" and row.source not in JUDGES_REPLY]
    benign = [row for row in prompts if row.labels.get("benign") == 1]
    replies = [row for row in rows if row.response is not None and "refusal" in row.labels]
    refusals = [row for row in replies if row.labels["refusal"] == 1]
    if not (texts and prompts and benign and replies and refusals):
        return
    for number in range(count):
        kind = number % 3
        if kind == 0:
            example = as_answer(rng.choice(texts), rng.choice(benign).prompt if rng.random() < 0.7 else "")
        else:
            example = swapped(rng.choice(prompts), rng.choice(replies if kind == 1 else refusals))
        if example is not None:
            yield example


def _unsafe(labels: Mapping[str, int]) -> float | None:
    """Whether anything speaks against it: `unsafe` or any harm; unknown where only a finer type was denied."""
    if labels.get(UNSAFE) == 1 or any(labels.get(name) == 1 for name in HARMS):
        return 1.0
    if labels.get("benign") == 1 or labels.get(UNSAFE) == 0 or labels.get("toxic") == 0:
        return 0.0
    return None
