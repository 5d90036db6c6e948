"""The evidence of a rollout as lines of 80 columns, from the API's JSON: a table of guardrails, then what its
numbers are compared with and what they count.

The columns `worse`, `alarm` and `proof` are e-values (E): for "worse" by closed periods, for "worse" by first
violations, and for "no worse".
"""

import textwrap
from collections.abc import Iterator, Sequence
from math import log10
from typing import Any

from gateway.commands.words import WIDTH
from gateway.rollout.wording import bound, spelled
from gateway.rollout.wording import e_value_of as e_value

NOTES = 7
"""Lines that are no guardrail's. What counts least stands last: it may be cut off."""
_ROW = "{:<15}{:>14}{:>15}{:>17}{:>6}{:>6}{:>7}"
_SILENT = 1e-9
"""How far from 0 the log10 of an e-value is that has moved."""


def evidence_table(
    evidence: dict[str, Any], most: int, period: float, when: str, *, compare: bool
) -> Iterator[str]:
    """A line for each guardrail with violations, at most `most`: those that come closest to "worse"; the others
    together. `period`: seconds for which a unit's outcome is gathered; 0: not known. `when`: of when it is.
    `compare`: it is an A/B test, which harm alone ends.
    """
    rows = evidence["rows"]
    speaking = [row for row in rows if not _silent(row)]
    gravest = sorted(speaking, key=lambda row: -max(row["worse"], row["alarm"]))
    shown = gravest[: most if len(speaking) <= most else max(most - 1, 1)]
    stable, canary = (f"{rows[0][arm]['periods']:,}" for arm in ("stable", "canary"))
    length = f"{spelled(period)} " if period else ""
    yield f"finished {length}user periods: stable {stable}, canary {canary}; % violating [95 %]"
    yield _ROW.format(when, "stable", "canary", "difference", "worse", "alarm", "proof")
    for row in rows:
        if row in shown:
            yield _line(row)
    if len(speaking) > len(shown):
        yield f"and {len(speaking) - len(shown)} more that look better: --json has them all"
    if len(speaking) < len(rows):
        yield from _wrapped(f"no violation of (proof): {', '.join(_named(row) for row in rows if _silent(row))}")
    yield from _notes(evidence, compare=compare)


def _notes(evidence: dict[str, Any], *, compare: bool) -> Iterator[str]:
    """What the table's numbers are compared with, and what they count."""
    needs = bound(10 ** evidence["needs"])
    said = "where harm is there too" if compare else "weighted mean of worse and alarm, all guardrails"
    yield f"rollback E {e_value(evidence['mean'])}, acts at {needs}: {said}"
    proofs = [row["no_worse_needs"] for row in evidence["rows"] if row["promotes"]]
    proof = f"; * promotes at proof {bound(10 ** max(proofs))}" if proofs else ""
    acts = bound(10 ** evidence["alarm_needs"])
    if not compare:
        yield f"alarm E {e_value(evidence['alarm'])}, acts at {acts}: weighted mean of alarm{proof}"
    yield f"E: 1 says nothing; an equal canary reaches {needs} in at most 1 of {needs} rollouts"
    yield from _firsts(evidence["rows"])
    if evidence["mismatch"] >= evidence["mismatch_needs"]:
        stable, canary = evidence["units"]
        yield f"users by first arm: stable {stable:,}, canary {canary:,} (MORE OR FEWER THAN CHANCE)"
    if evidence["budget"]:
        used = f"{evidence['budget_spent']:.1f} of {evidence['budget']:g}"
        yield f"harm budget: {used} (severity beyond stable's rate); used up, it stops"


def _firsts(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Of the guardrail whose alarm speaks loudest, what was counted in this stage."""
    counted = [row for row in rows if row["weight"] and row["firsts"] and _total(row["firsts"][1])]
    if counted:
        row = max(counted, key=lambda row: row["alarm"] + log10(row["weight"]))
        now = row["firsts"][1]
        canary = f"{now['canary']:,} of {_total(now):,} the canary's ({now['due']:.1f} if equal)"
        yield from _wrapped(f"alarm, at once: first violations, {_short(row)} {canary}")


def _total(firsts: dict[str, Any]) -> int:
    return int(firsts["stable"] + firsts["canary"])


def _silent(row: dict[str, Any]) -> bool:
    """Nothing of it happened on either arm."""
    seen = row["stable"]["mean"] or row["canary"]["mean"] or any(_total(each) for each in row["firsts"] or ())
    return not seen and max(abs(row["worse"]), abs(row["alarm"])) < _SILENT


def _named(row: dict[str, Any]) -> str:
    return f"{_short(row)}* {e_value(row['no_worse'])}" if row["promotes"] else _short(row)


def _line(row: dict[str, Any]) -> str:
    rates = (_rates(row["stable"]), _rates(row["canary"]), _difference(row))
    star = "*" if row["promotes"] else ""
    name = f"{_short(row)[: 14 - len(star)]}{star}"
    return _ROW.format(name, *rates, *(e_value(row[each]) for each in ("worse", "alarm", "no_worse")))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, max_lines=2, placeholder=" ...", subsequent_indent="  ")


def _short(row: dict[str, Any]) -> str:
    return str(row["guardrail"].removeprefix("principle:").removeprefix("feedback:"))


def _rates(rates: dict[str, Any]) -> str:
    if not rates["periods"]:
        return "-"
    return f"{_number(rates['mean'])} [{_number(rates['low'])},{_number(rates['high'])}]"


def _difference(row: dict[str, Any]) -> str:
    if not row["stable"]["periods"] or not row["canary"]["periods"]:
        return "-"
    return (
        f"{_signed(row['canary']['mean'] - row['stable']['mean'])} [{_signed(row['low'])},{_signed(row['high'])}]"
    )


def _number(share: float) -> str:
    value = 100 * share
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def _signed(share: float) -> str:
    value = 100 * share
    return f"{value:+.1f}" if abs(value) < 9.95 else f"{value:+.0f}"
