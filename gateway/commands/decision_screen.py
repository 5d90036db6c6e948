"""A decision on one screen of 80 x 24: who, what, why, since when, on what evidence, and how to undo it."""

import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway.commands.evidence_table import NOTES, evidence_table
from gateway.commands.words import LINES, WIDTH, labelled, percent, span, stamp, time_of

_TITLES = {
    "roll_back": "ROLL BACK",
    "redeal": "DEAL ANEW",
    "dead_producer": "PRODUCER DECLARED DEAD",
    "stop": "STOP",
}
_MEANS = {
    "wait": "nothing changes",
    "freeze": "no advance, may still roll back",
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
_STANDS = {"holdout": "at its last stage, before everyone"}
"""Where a status' own word would say nothing to somebody who doesn't know it."""
_SHORT = 8


def decision_screen(detail: dict[str, Any], now: datetime) -> list[str]:
    """At most 24 lines of at most 80 characters. `detail`: the API's DecisionDetail as JSON."""
    top = [*_head(detail), *_story(detail, now)]
    end = [line[:WIDTH] for line in _undo_lines(detail)]
    table: list[str] = []
    if detail["evidence"] is not None:
        rows = LINES - len(top) - len(end) - NOTES
        story = detail["story"]
        found = evidence_table(
            detail["evidence"], max(rows, 1), story["period"], "at the decision", compare=story["plan"] == "compare"
        )
        table = [line[:WIDTH] for line in found][: LINES - len(top) - len(end)]
    blanks = [[""] if room >= 0 else [] for room in _rooms(len(top) + len(table) + len(end))]
    return [*top, *(blanks[0] if table else []), *table, *blanks[1], *end]


def _rooms(lines: int) -> tuple[int, int]:
    """What is left for a first and for a second blank line."""
    return LINES - lines - 1, LINES - lines - 2


def _head(detail: dict[str, Any]) -> Iterator[str]:
    made = detail["decision"]
    drill = "DRILL · " if made["drill"] else ""
    yield f"{drill}{_title(made['kind'])} · {made['model']} · {stamp(made['time'])}"[:WIDTH]
    yield f"decision {made['id']}, number {made['number']} in the chain"[:WIDTH]


def _title(kind: str) -> str:
    return _TITLES.get(kind, kind.upper())


def _story(detail: dict[str, Any], now: datetime) -> Iterator[str]:
    made, story = detail["decision"], detail["story"]
    yield from labelled("who", _who(made, story["plan"]), 1)
    yield from labelled("what", _what(detail), 2)
    yield from labelled("why", _why(made), 4)
    if aside := _aside(detail):
        yield from labelled("", aside, 1)
    if detail["exchanges"]:
        straws = ", ".join(f"/dashboard/exchanges/{each}" for each in detail["exchanges"])
        yield from labelled("", f"last straw: {straws}", 1)
    if detail["labels"]:
        yield from labelled("labels", detail["labels"], 2)
    if before := story["preceding"]:
        weights = ", ".join(f"{arm} {percent(weight)}" for arm, weight in before["weights"].items())
        yield from labelled("after", f"{_title(before['kind'])} ({weights}), {stamp(before['time'])}", 1)
    yield from labelled("since", _since(detail, now), 2)
    if detail["rests_on"]:
        yield from labelled("rests", _versions(detail["rests_on"]), 2)


def _who(made: dict[str, Any], plan: str) -> str:
    if made["actor"] == "tipstaff":
        return f"tipstaff, by the rules of the plan{f' ({plan})' if plan else ''}; no person"
    if made["actor"] == "config":
        return "the configuration"
    if made["actor"] == "operator":
        return "operator, the shared login: a person, whose name is not known"
    return f"{made['actor']}, a person's word"


def _why(made: dict[str, Any]) -> str:
    if not made["reason"]:
        return "no reason was given"
    return f'"{made["reason"]}"' if made["actor"] not in ("tipstaff", "config") else str(made["reason"])


def _aside(detail: dict[str, Any]) -> str:
    """What keeps the reason and the table from contradicting each other."""
    made, evidence = detail["decision"], detail["evidence"]
    compare = detail["story"]["plan"] == "compare"
    if evidence is None or compare or made["kind"] not in ("freeze", "suspend", "roll_back"):
        return ""
    if made["actor"] != "tipstaff":
        asked = evidence["mean"] >= evidence["needs"] or evidence["alarm"] >= evidence["alarm_needs"]
        said = "said so too" if asked else "did not ask for it"
        return f"(the evidence {said}: see rollback E and alarm E below)"
    if any(row["alarm"] >= evidence["alarm_needs"] > row["worse"] for row in evidence["rows"]):
        if made["kind"] == "roll_back":
            return "(rollback E is high by its alarm part; the table has not caught up)"
        return "(the alarm counts at once; rates, proof, rollback E: finished periods)"
    return ""


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
    staged = made["kind"] in ("start", "advance", "wait", "promote") and 100.0 not in after.values()
    if stages and 0 <= made["stage"] < len(stages) and staged:
        ladder = "/".join(f"{each:g}" for each in stages)
        place = f"now stage {made['stage'] + 1} of {len(stages)} ({ladder} %)"
        meaning = f"{meaning}; {place}" if meaning else place
    return f"{said}; {meaning}" if meaning else said


def _since(detail: dict[str, Any], now: datetime) -> str:
    made, story = detail["decision"], detail["story"]
    if story["replaced_at"]:
        parts = [f"in force until {stamp(story['replaced_at'])} (then {story['replaced_by']})"]
    else:
        parts = [f"{span((now - time_of(made['time'])).total_seconds())} ago, in force"]
    if made["kind"] == "wait" and story["held_since"]:
        parts.append(f"the weights hold since {stamp(story['held_since'])[:-7]}")
    status = _STANDS.get(story["status"], story["status"].replace("_", " "))
    began = f"begun {stamp(story['began'])[:-7]}" if story["began"] and made["kind"] != "start" else ""
    if said := ", ".join(each for each in (status, began) if each):
        parts.append(f"rollout {said}")
    return "; ".join(parts)


def _versions(rests_on: dict[str, str]) -> str:
    arms = [f"{name} {version}" for name, version in rests_on.items() if name not in _NOT_ARMS]
    constitution = rests_on.get("constitution", "")[:_SHORT]
    classifiers = [each[: each.find("=") + 1 + _SHORT] for each in rests_on.get("classifiers", "").split()]
    rest = [f"constitution {constitution}"] if constitution else []
    return ", ".join([*arms, *rest, *([" ".join(classifiers)] if classifiers else [])])


_NOT_ARMS = ("plan", "constitution", "classifiers")


def _undo_lines(detail: dict[str, Any]) -> Iterator[str]:
    made, story = detail["decision"], detail["story"]
    label = "undo"
    if made["kind"] == "wait" and "rollback" in story["can"]:
        command = f"tipstaff rollout status {shlex.quote(made['model'])}"
        yield from _fitting("undo    nothing; what comes:", f" {command}")
        label = "end it"
    for number, (command, effect) in enumerate(undo(detail)):
        yield from _fitting(f"{label if number == 0 else 'or':<8}{command}", f"  ({effect})")


def _fitting(line: str, rest: str) -> list[str]:
    """On one line, or on two."""
    return [line + rest] if len(line) + len(rest) <= WIDTH else [line, f"{'':<8}{rest.lstrip()}"]


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
    return [(f'tipstaff rollout {word} {model} --reason "..."', _effect(word, detail)) for word in possible]


def _effect(word: str, detail: dict[str, Any]) -> str:
    made, story = detail["decision"], detail["story"]
    if word == "rollback":
        return "ends the drill" if made["drill"] else "to 0 %, ends it"
    if word == "suspend":
        return f"to 0 %; resume: to {percent(story['stage_percent'])}"
    if word == "retry":
        first = f", {percent(story['stages'][0])}" if story["stages"] else ""
        return f"anew from stage 1{first}: same versions, new evidence"
    if word == "undo":
        until = f", possible until {stamp(story['undo_until'])}" if story["undo_until"] else ""
        return f"{_lost(made)} back to 100 %{until}"
    if story["plan"] == "compare":
        return f"back to {percent(story['stage_percent'])}"
    said = f"{percent(story['stage_percent'])}, may advance"
    return f"{said}; alarms freeze this rollout no more, may roll back"


def _lost(made: dict[str, Any]) -> str:
    """The arm that a promotion took traffic from."""
    if made["kind"] != "promote":
        return "the old arm"
    before, after = made["before"], made["after"]
    return str(min(after, key=lambda arm: after[arm] - before.get(arm, 0.0)))


def _by_weights(made: dict[str, Any], story: dict[str, Any], model: str) -> list[tuple[str, str]]:
    if story["replaced_by"]:
        return [
            (f"tipstaff rollout decision {story['replaced_by']}", "this one is no longer in force; that one is")
        ]
    finished = made["kind"] == "finish"
    old = dict.fromkeys(made["after"], 0.0) if finished else made["before"]
    others = [arm for arm in made["after"] if arm != story["first_arm"]] if story["first_arm"] else []
    changes = " ".join(f"{arm}={old.get(arm, 0.0):g}" for arm in others)
    effect = "all traffic back to the first arm" if finished else "the weights from before it"
    return [(f'tipstaff weights {model} {changes} --reason "..."', effect)] if changes else []
