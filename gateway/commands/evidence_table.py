"""The evidence of a rollout as a table of 80 columns; from the API's JSON.

The columns `worse`, `alarm` and `proof` are e-values (E): against "no worse", fast, and for "no worse".
"""

from collections.abc import Iterator
from typing import Any

from gateway.commands.words import e_value

_MOST = 8
_ROW = "{:<15}{:>14}{:>15}{:>17}{:>6}{:>6}{:>7}"


def evidence_table(evidence: dict[str, Any], most: int = _MOST) -> Iterator[str]:
    """A line for each guardrail, at most `most`: those that come closest to "worse"; then what they need."""
    rows = evidence["rows"]
    gravest = sorted(rows, key=lambda row: -max(row["worse"], row["alarm"]))
    shown = gravest[: most if len(rows) <= most else max(most - 1, 1)]
    yield _ROW.format("violating, in %", "stable", "canary", "difference", "worse", "alarm", "proof")
    for row in rows:
        if row in shown:
            yield _line(row)
    if len(rows) > len(shown):
        yield f"and {len(rows) - len(shown)} more that look better: --json has them all"
    yield from _needs(evidence)


def _line(row: dict[str, Any]) -> str:
    rates = (_rates(row["stable"]), _rates(row["canary"]), _difference(row))
    return _ROW.format(_name(row), *rates, *(e_value(row[each]) for each in ("worse", "alarm", "no_worse")))


def _needs(evidence: dict[str, Any]) -> Iterator[str]:
    needs = _bound(evidence["needs"])
    mean = e_value(evidence["mean"])
    yield f"E reaches {needs} by chance in at most 1 of {needs}. Mean E: {mean}; rolls back at {needs}"
    proofs = [row["no_worse_needs"] for row in evidence["rows"] if row["promotes"]]
    proof = f'; proof of "no worse": * promoted only at {_bound(max(proofs))}' if proofs else ""
    yield f"mean alarm {e_value(evidence['alarm'])}, acts at {_bound(evidence['alarm_needs'])}{proof}"
    stable, canary = evidence["units"]
    mismatch = " (MORE OR FEWER THAN CHANCE)" if evidence["mismatch"] >= evidence["mismatch_needs"] else ""
    budget = f"harm budget used: {evidence['budget_spent']:.1f} of {evidence['budget']:g}"
    yield (
        f"units: {stable:,} on stable, {canary:,} on the canary{mismatch}; "
        f"{budget if evidence['budget'] else 'no harm budget'}"
    )


def _bound(log10: float) -> str:
    return f"{10**log10:.3g}"


def _name(row: dict[str, Any]) -> str:
    name = row["guardrail"].removeprefix("principle:").removeprefix("feedback:")
    star = "*" if row["promotes"] else ""
    return f"{name[: 14 - len(star)]}{star}"


def _rates(rates: dict[str, Any]) -> str:
    if not rates["periods"]:
        return "-"
    return f"{_number(rates['mean'])} [{_number(rates['low'])},{_number(rates['high'])}]"


def _difference(row: dict[str, Any]) -> str:
    if not row["stable"]["periods"] or not row["canary"]["periods"]:
        return "-"
    clipped = row["low"] <= -1 or row["high"] >= 1
    middle = row["canary"]["mean"] - row["stable"]["mean"] if clipped else (row["low"] + row["high"]) / 2
    return f"{_signed(middle)} [{_signed(row['low'])},{_signed(row['high'])}]"


def _number(share: float) -> str:
    value = 100 * share
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def _signed(share: float) -> str:
    value = 100 * share
    return f"{value:+.1f}" if abs(value) < 9.95 else f"{value:+.0f}"
