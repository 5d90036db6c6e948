"""Colours that people of any colour vision can tell apart (Okabe and Ito), and what each of them stands for.

Nothing is said in colour alone: the arm on trial is dashed, grave is thick, thresholds are named in the legend.
"""

import msgspec

from classifiers.verdict import Severity

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#999999"
PALETTE = (BLUE, ORANGE, SKY, PURPLE, GREEN, YELLOW, VERMILLION, GREY)
"""In the order in which kinds of a thing get them. Grey is for black, which cannot be seen on a dark page."""


class Look(msgspec.Struct, frozen=True):
    """How the series look whose name matches `pattern`, a regular expression. Empty and 0: as the panel has it."""

    pattern: str
    colour: str = ""
    dashed: bool = False
    width: int = 0


DASHED_ARM = (Look(r"\bcanary\b", dashed=True),)
ARMS = (Look(r"\bstable\b", BLUE), Look(r"\bcanary\b", VERMILLION, dashed=True))
"""By the names that the documentation uses; arms of other names get shades of purple."""
DASHED_ALARM = (Look(r"^\S+ alarm\b", dashed=True),)
"""Where one guardrail has a line of each test."""
LIMITS = (Look(r"\b(needed|used up|counts as shown)$", GREY, dashed=True, width=1),)
"""Lines that others are held against."""
STATES = tuple(
    Look(rf": {state}$", colour)
    for state, colour in {
        "running": BLUE,
        "frozen": SKY,
        "suspended": ORANGE,
        "rolled_back": VERMILLION,
        "promoted": GREEN,
        "finished": GREY,
        "drill": YELLOW,
    }.items()
)
QUANTILES = (Look(r"\bp50$", width=1), Look(r"\bp95$", width=2), Look(r"\bp99$", width=3))
BOUNDS = (Look(r"\b(low|high)$", width=1), Look(r"\bmean$", width=3))
SEVERITIES = tuple(
    Look(rf"^{severity}\b", colour, width=severity.rank + 1)
    for severity, colour in zip(Severity, (SKY, YELLOW, ORANGE, VERMILLION), strict=True)
)


def kinds(*names: str) -> tuple[Look, ...]:
    """A colour for each name, where it begins a series' name; those after the last colour begin anew, thicker."""
    size = len(PALETTE)
    return tuple(
        Look(rf"^{name}\b", PALETTE[place % size], width=1 + 2 * (place // size))
        for place, name in enumerate(names)
    )


GUARDRAILS = kinds("harm", "honesty", "helpfulness", "over_refusal", "errors", "refusal", "length")
