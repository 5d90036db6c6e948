"""A decision on one screen of 80 x 24: who, what, why, since when, on what evidence, and how to undo it."""

import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway.commands.evidence_table import evidence_table
from gateway.commands.words import LINES, WIDTH, labelled, percent, span, stamp, time_of

_TITLES = {
    "roll_back": "ROLL BACK",
    "redeal": "DEAL ANEW",
    "dead_producer": "PRODUCER DECLARED DEAD",
    "stop": "STOP",
}
_MEANS = {
    "wait": "nothing changes",
    "freeze": "it is not raised, evidence goes on and may still roll back",
    "suspend": "until somebody resumes or rolls back",
    "resume": "the rollout goes on",
    "roll_back": "the rollout has ended",
    "stop": "the rollout has ended; this is no verdict on the canary",
    "undo": "the promotion is taken back",
    "finish": "the rollout has ended",
    "approve": "the next stage may begin when the rest allows it",
    "redeal": "everyone is dealt anew at the same share",
    "repin": "the evidence starts anew",
}
_UNDO = {
    "freeze": ("resume", "rollback"),
    "suspend": ("resume", "rollback"),
    "promote": ("undo", "rollback"),
}
_BACK = ("rollback", "suspend")
_EFFECTS = {
    "rollback": "to 0 %, ends it",
    "suspend": "to 0 % for now",
    "resume": "goes on",
    "undo": "back to the old arm",
    "retry": "anew, from stage 1",
}
_SHORT = 8
_AROUND = 4
"""Lines of the table that are no guardrail's."""


def decision_screen(detail: dict[str, Any], now: datetime) -> list[str]:
    """At most 24 lines of at most 80 characters. `detail`: the API's DecisionDetail as JSON."""
    top = [*_head(detail), *_story(detail, now)]
    end = [line[:WIDTH] for line in _undo_lines(detail)]
    table: list[str] = []
    if detail["evidence"] is not None:
        rows = LINES - len(top) - len(end) - _AROUND
        table = [line[:WIDTH] for line in evidence_table(detail["evidence"], max(rows, 1))]
    blanks = [[""] if room >= 0 else [] for room in _rooms(len(top) + len(table) + len(end))]
    return [*top, *(blanks[0] if table else []), *table, *blanks[1], *end]


def _rooms(lines: int) -> tuple[int, int]:
    """What is left for a first and for a second blank line."""
    return LINES - lines - 1, LINES - lines - 2


def _head(detail: dict[str, Any]) -> Iterator[str]:
    made = detail["decision"]
    title = _TITLES.get(made["kind"], made["kind"].upper())
    drill = "DRILL · " if made["drill"] else ""
    yield f"{drill}{title} · {made['model']} · {stamp(made['time'])}"[:WIDTH]
    yield f"decision {made['id']}, number {made['number']} in the chain"[:WIDTH]


def _story(detail: dict[str, Any], now: datetime) -> Iterator[str]:
    made = detail["decision"]
    yield from labelled("who", _who(made, detail["story"]["plan"]), 1)
    yield from labelled("what", _what(detail), 2)
    yield from labelled("why", made["reason"] or "no reason was given", 3)
    if detail["exchanges"]:
        yield from labelled("", f"the last straw: exchange {', '.join(detail['exchanges'])}", 1)
    if detail["labels"]:
        yield from labelled("labels", detail["labels"], 2)
    yield from labelled("since", _since(detail, now), 2)
    if detail["rests_on"]:
        yield from labelled("rests", _versions(detail["rests_on"]), 2)


def _who(made: dict[str, Any], plan: str) -> str:
    if made["actor"] == "tipstaff":
        return f"tipstaff, by the rules of the plan{f' ({plan})' if plan else ''}; no person"
    if made["actor"] == "config":
        return "the configuration"
    return f"{made['actor']}, a person's word"


def _what(detail: dict[str, Any]) -> str:
    made, stages = detail["decision"], detail["story"]["stages"]
    before, after = made["before"], made["after"]
    moved = [
        f"{arm} {percent(before.get(arm, 0.0))} -> {percent(share)}"
        for arm, share in after.items()
        if before.get(arm, 0.0) != share
    ]
    said = ", ".join(moved) or "weights stay: " + ", ".join(f"{arm} {percent(after[arm])}" for arm in after)
    meaning = _MEANS.get(made["kind"], "")
    if stages and 0 <= made["stage"] < len(stages) and made["kind"] in ("start", "advance", "wait", "promote"):
        ladder = "/".join(f"{each:g}" for each in stages)
        place = f"stage {made['stage'] + 1} of {len(stages)} ({ladder} %)"
        meaning = f"{meaning}; {place}" if meaning else place
    return f"{said}; {meaning}" if meaning else said


def _since(detail: dict[str, Any], now: datetime) -> str:
    made, story = detail["decision"], detail["story"]
    if story["replaced_at"]:
        parts = [f"in force until {stamp(story['replaced_at'])} (then {story['replaced_by']})"]
    else:
        age = (now - time_of(made["time"])).total_seconds()
        parts = [f"this decision, {span(age)} ago: in force now"]
    if story["began"] and made["kind"] != "start":
        parts.append(f"the rollout began {stamp(story['began'])}")
    return "; ".join(parts)


def _versions(rests_on: dict[str, str]) -> str:
    arms = [f"{name} {version}" for name, version in rests_on.items() if name not in _NOT_ARMS]
    constitution = rests_on.get("constitution", "")[:_SHORT]
    classifiers = [each[: each.find("=") + 1 + _SHORT] for each in rests_on.get("classifiers", "").split()]
    rest = [f"constitution {constitution}"] if constitution else []
    return ", ".join([*arms, *rest, *([f"classifiers {' '.join(classifiers)}"] if classifiers else [])])


_NOT_ARMS = ("plan", "constitution", "classifiers")
_STANDS = {"holdout": "at its last stage, before everyone"}
"""Where a status' own word would say nothing to somebody who doesn't know it."""


def _undo_lines(detail: dict[str, Any]) -> Iterator[str]:
    if status := detail["story"]["status"]:
        yield from labelled("now", f"the rollout is {_STANDS.get(status, status.replace('_', ' '))}", 1)
    for number, (command, effect) in enumerate(undo(detail)):
        line = f"{'undo' if number == 0 else 'or':<8}{command}"
        if len(line) + len(effect) + 4 <= WIDTH:
            yield f"{line}  ({effect})"
        else:
            yield line
            yield f"{'':<8}({effect})"


def undo(detail: dict[str, Any]) -> list[tuple[str, str]]:
    """(command, what it does), the best first, at most two; where it is no longer in force, where to look."""
    made, story = detail["decision"], detail["story"]
    model = shlex.quote(made["model"])
    if not made["rollout"] or (made["kind"] == "finish" and not made["drill"]):
        return _by_weights(made, story, model)
    if not story["status"]:
        return [(f"tipstaff rollout status {model}", "a later rollout took over")]
    wished = dict.fromkeys((*_UNDO.get(made["kind"], _BACK), "undo", "retry"))
    possible = [word for word in wished if word in story["can"]][:2]
    return [(f'tipstaff rollout {word} {model} --reason "..."', _EFFECTS[word]) for word in possible]


def _by_weights(made: dict[str, Any], story: dict[str, Any], model: str) -> list[tuple[str, str]]:
    if story["replaced_by"]:
        return [
            (f"tipstaff rollout decision {story['replaced_by']}", "this one is no longer in force; that one is")
        ]
    finished = made["kind"] == "finish"
    old = dict.fromkeys(made["after"], 0.0) if finished else made["before"]
    others = list(made["after"])[1:]
    changes = " ".join(f"{arm}={old.get(arm, 0.0):g}" for arm in others)
    effect = "all traffic back to the first arm" if finished else "the weights from before it"
    return [(f'tipstaff weights {model} {changes} --reason "..."', effect)] if changes else []
