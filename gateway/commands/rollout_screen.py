"""Where a rollout stands, what a plan would take, what there was: as lines of at most 80 characters."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway.commands.evidence_table import NOTES, evidence_table
from gateway.commands.words import LINES, WIDTH, labelled, percent, span, stamp, time_of
from gateway.rollout.wording import e_value_of as e_value


def status_screen(found: dict[str, Any], now: datetime) -> list[str]:
    """At most 24 lines. `found`: the API's RolloutShown as JSON."""
    lines = [*_head(found, now), *_waits(found), *_end(found)]
    can = f"{', '.join(found['can'])}: tipstaff rollout WORD {found['model']} --reason ..."
    last = list(labelled("can", can, 3)) if found["can"] else []
    last += labelled("last", f"tipstaff rollout decision {found['last_decision']}", 1)
    room = LINES - len(lines) - len(last) - 1
    found_table = evidence_table(
        found["evidence"],
        max(room - NOTES, 1),
        found["plan"].get("period", 0.0),
        "now",
        compare=found["plan"].get("compare", False),
    )
    table = [line[:WIDTH] for line in found_table][:room]
    return [*lines, "", *table, *last]


def _head(found: dict[str, Any], now: datetime) -> Iterator[str]:
    status = found["status"].replace("_", " ").upper()
    drill = " · DRILL" if found["drill"] else ""
    yield f"{status}{drill} · {found['model']} · rollout {found['id']}"[:WIDTH]
    arms = (
        f"{found['to']['arm']} ({found['to']['version']}) for {found['from']['arm']} ({found['from']['version']})"
    )
    yield from labelled("arms", arms, 1)
    stage = found["stage"]
    ladder = " ".join(
        f"[{each:g}]" if number == stage["number"] else f"{each:g}"
        for number, each in enumerate(found["stages"], 1)
    )
    age = span((now - time_of(stage["began"])).total_seconds())
    yield from labelled("stages", f"{ladder} %; the canary has {percent(stage['percent'])} for {age}", 1)
    behind = (now - time_of(found["as_of"])).total_seconds()
    late = f"; what came in the last {span(behind)} is not read yet" if behind > 60 else ""
    yield from labelled("since", f"{stamp(found['started'])}{late}", 1)


def _waits(found: dict[str, Any]) -> Iterator[str]:
    yield from labelled("why", found["why"], 2)
    for number, each in enumerate(found["left"][:5]):
        time = "" if each["seconds"] is None else f" (about {span(each['seconds'])})"
        yield from labelled("left" if number == 0 else "", f"{each['said']}{time}", 1)


def _end(found: dict[str, Any]) -> Iterator[str]:
    if found["stage_seconds"] is not None:
        whole = found["whole_seconds"]
        rest = "" if whole is None else f"; everyone has it in about {span(whole)}"
        yield from labelled("expect", f"this stage ends in about {span(found['stage_seconds'])}{rest}", 1)
    if found["old_arm_free"]:
        yield from labelled(
            "old arm", f"can be switched off from {stamp(found['old_arm_free'])}; {found['old_arm']}", 2
        )
    else:
        yield from labelled("old arm", f"needed: {found['old_arm']}", 1)
    if found["left_out"]:
        parts = ", ".join(f"{count:,} {why}" for why, count in found["left_out"].items())
        yield from labelled("apart", f"{parts}: shown, no evidence", 1)
    yield from labelled("labels", _labels(found), 2)


def _labels(found: dict[str, Any]) -> str:
    """What people's labels make of both arms; without enough of them, the sentence that says so."""
    given = found["correction"]
    if given is None or given["difference"] is None:
        return str(found["labels"])
    rates = ", ".join(f"{arm} {_share(given[arm]['rate'])}" for arm in ("stable", "canary"))
    drift = ", ".join(e_value(each) for each in given["drift"])
    needed = f"{given['labels']:,} (about {given['needed']:,} needed)"
    return f"{needed}; true rates in %: {rates}; E of drift {drift}, acts at {10 ** given['drift_needs']:.0f}"


def _share(estimate: dict[str, float]) -> str:
    value, low, high = (100 * estimate[name] for name in ("value", "low", "high"))
    return f"{value:.1f} [{low:.1f},{high:.1f}]"


def plan_lines(found: dict[str, Any]) -> Iterator[str]:
    """What a plan would take. `found`: the API's PlanForeseen as JSON."""
    yield f"{found['model']}: plan {found['plan']['preset']}, for a canary that is as good as stable"
    yield f"  {'canary':>8}  {'held for':>10}  {'expected':>10}  what takes longest"
    for each in found["stages"]:
        expected = "never" if each["seconds"] is None else span(each["seconds"])
        person = "; needs a person" if each["approval"] else ""
        times = f"{span(each['held']):>10}  {expected:>10}"
        yield f"  {percent(each['percent']):>8}  {times}  {each['decided_by']}{person}"
    for each in found["guardrails"]:
        proof = ', "no worse" must be shown' if each["promotes"] else ""
        yield f"  {each['metric']}: margin {100 * each['margin']:g} points, stable {_rate(found, each)}{proof}"
    yield f"  at least {span(found['least'])}"
    if found["expected"] is None:
        yield f"  CANNOT FINISH: {found['why_not']}"
    else:
        yield f"  expected {span(found['expected'])} at the present traffic"
    if found["budget_chance"] is not None and found["harm_budget"]:
        yield f"  chance that a healthy canary uses up the harm budget: {found['budget_chance']:.1%}"
    for note in found["notes"]:
        yield f"  {note}"


def _rate(found: dict[str, Any], guardrail: dict[str, Any]) -> str:
    return f"{100 * found['rates'][guardrail['metric']]:.2g} %"


def history_lines(found: dict[str, Any]) -> Iterator[str]:
    """All rollouts of a model. `found`: the API's RolloutHistory as JSON."""
    if not found["rollouts"]:
        yield f"{found['model']} has had no rollout"
    for each in found["rollouts"]:
        lasted = span((time_of(each["as_of"]) - time_of(each["started"])).total_seconds())
        versions = f"{each['from_version'] or '?'} -> {each['to_version']}"
        yield (
            f"{stamp(each['started'])}  {each['status'].replace('_', ' '):<12} {lasted:>10}  "
            f"{each['preset']:<9} {versions}  {each['id']}{'  DRILL' if each['drill'] else ''}"
        )


def decision_lines(found: dict[str, Any]) -> Iterator[str]:
    """One line for each decision. `found`: the API's DecisionPage as JSON."""
    for each in found["decisions"]:
        shares = " ".join(f"{arm} {share:g}" for arm, share in each["after"].items())
        said = f"{'DRILL, ' if each['drill'] else ''}{each['actor']}: {each['reason']}"
        yield f"{stamp(each['time'])}  {each['kind']:<10} {shares}  {said}  {each['id']}"
