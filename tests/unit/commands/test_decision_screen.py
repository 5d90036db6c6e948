"""Every decision on one screen: who, what, why, since when, how to undo; within 80 x 24, whatever it is about."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.decision_screen import decision_screen, undo
from gateway.commands.words import e_value, span, time_of
from tests.unit.commands.screens import NOW, detail, evidence


def screen(of: dict[str, Any]) -> str:
    lines = decision_screen(of, time_of(NOW))
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    return "\n".join(lines)


def line(text: str, label: str) -> str:
    return next(each for each in text.splitlines() if each.startswith(label))


SIX = {
    "start": detail("start", actor="operator", before={"stable": 100.0, "canary": 0.0}, stage=0, evidence=None),
    "wait": detail("wait"),
    "advance": detail("advance", before={"stable": 90.0, "canary": 10.0}),
    "freeze": detail(
        "freeze", status="frozen", can=["suspend", "resume", "rollback", "promote"], exchanges=["0199c7fd" * 4]
    ),
    "roll_back": detail(
        "roll_back", status="rolled_back", can=["retry"], after={"stable": 100.0, "canary": 0.0}, stage=3
    ),
    "promote": detail("promote", status="promoted", can=["finish", "undo"], after={"stable": 0.0, "canary": 100.0}),
}


@pytest.mark.parametrize(
    ("kind", "who", "what", "back"),
    [
        ("start", "operator, a person's word", "canary 0 % -> 25 %", "rollback"),
        (
            "wait",
            "tipstaff, by the rules of the plan (balanced)",
            "weights stay: stable 75 %, canary 25 %",
            "rollback",
        ),
        ("advance", "tipstaff", "canary 10 % -> 25 %; stage 4 of 6 (1/5/10/25/50/95 %)", "rollback"),
        ("freeze", "tipstaff", "weights stay: stable 75 %, canary 25 %; it is not raised", "resume"),
        ("roll_back", "tipstaff", "canary 25 % -> 0 %; the rollout has ended", "retry"),
        ("promote", "tipstaff", "stable 75 % -> 0 %, canary 25 % -> 100 %", "undo"),
    ],
)
def test_the_screen_alone_tells_everything(kind: str, who: str, what: str, back: str) -> None:
    text = screen(SIX[kind])
    assert who in line(text, "who")
    assert what in " ".join(text.split())
    assert "the reason of it" in line(text, "why")
    assert "this decision, 1 h 0 min ago: in force now" in " ".join(text.split())
    assert f'tipstaff rollout {back} assistant --reason "..."' in line(text, "undo")
    assert "canary v2" in line(text, "rests")


def test_the_evidence_is_a_table_of_what_was_compared() -> None:
    text = screen(SIX["roll_back"])
    harm = line(text, "harm*").split()
    assert harm == ["harm*", "1.2", "[0.2,2.2]", "3.4", "[2.4,4.4]", "+2.2", "[+0.5,+3.9]", "100.0", "10.0", "0.40"]
    assert "Mean E: 39.8; rolls back at 20" in text
    assert "12,004 on stable, 1,310 on the canary" in text
    assert "harm budget used: 3.2 of 50" in text


def test_the_exchange_that_crossed_the_line_is_named() -> None:
    assert f"the last straw: exchange {'0199c7fd' * 4}" in screen(SIX["freeze"])


def test_many_guardrails_show_the_gravest() -> None:
    text = screen(detail("wait", evidence=evidence(20), reason="word " * 60))
    assert "harm*" in text
    assert "more that look better: --json has them all" in text


def test_weights_by_hand_go_back_by_hand() -> None:
    by_hand = detail(
        "weights", actor="operator", rollout="", stage=-1, before={"stable": 90.0, "canary": 10.0}, evidence=None
    )
    by_hand["story"] |= {"began": None, "status": "", "can": [], "stages": [], "plan": ""}
    assert 'tipstaff weights assistant canary=10 --reason "..."' in screen(by_hand)


def test_what_was_replaced_says_by_what() -> None:
    later = {"replaced_by": "5f3a1c0e9b7d2468-7", "replaced_at": "2026-03-02T08:30:00Z"}
    text = screen(detail("advance", before={"stable": 90.0, "canary": 10.0}, story=later))
    assert "in force until 2026-03-02 08:30:00 UTC (then 5f3a1c0e9b7d2468-7)" in " ".join(text.split())


def test_a_rollout_that_another_one_followed_points_there() -> None:
    old = detail("roll_back", story={"status": "", "can": []})
    assert undo(old) == [("tipstaff rollout status assistant", "a later rollout took over")]


def test_a_finished_one_goes_back_by_weights() -> None:
    done = detail(
        "finish", actor="operator", status="finished", can=["retry"], after={"stable": 0.0, "canary": 100.0}
    )
    assert undo(done)[0][0] == 'tipstaff weights assistant canary=0 --reason "..."'


@given(
    kind=st.sampled_from([*SIX, "stop", "suspend", "resume", "undo", "redeal", "approve", "dead_producer"]),
    reason=st.text(max_size=400),
    guardrails=st.integers(1, 32),
    model=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=60),
    straws=st.integers(0, 3),
)
def test_no_decision_is_larger_than_the_screen(
    kind: str, reason: str, guardrails: int, model: str, straws: int
) -> None:
    made = detail(kind, reason=reason, evidence=evidence(guardrails), exchanges=["0199c7fd" * 4] * straws)
    made["decision"]["model"] = model
    text = screen(made)
    assert "undo " in text
    assert "rolls back at 20" in text


@pytest.mark.parametrize(
    ("log10", "text"),
    [(-9.0, "<0.01"), (0.0, "1.00"), (1.30103, "20.0"), (2.5, "316.2"), (5.2, "158489"), (31.7, "1e31")],
)
def test_e_values_are_short(log10: float, text: str) -> None:
    assert e_value(log10) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7260, "2 h 1 min"), (273600, "3 d 4 h"), (86400, "1 d")],
)
def test_time_spans_have_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text
