"""Every decision on one screen: who, what, why, since when, how to undo; within 80 x 24, whatever it is about."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.decision_screen import decision_screen, undo
from gateway.commands.words import span, time_of
from gateway.rollout.wording import e_value_of as e_value
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
        ("start", "operator, the shared login", "canary 0 % -> 25 %", "rollback"),
        (
            "wait",
            "tipstaff, by the rules of the plan (balanced)",
            "weights stay: stable 75 %, canary 25 %",
            "rollback",
        ),
        ("advance", "tipstaff", "canary 10 % -> 25 %; now stage 4 of 6 (1/5/10/25/50/95 %)", "rollback"),
        ("freeze", "tipstaff", "weights stay: stable 75 %, canary 25 %; no advance", "resume"),
        ("roll_back", "tipstaff", "canary 25 % -> 0 %; the rollout has ended", "retry"),
        ("promote", "tipstaff", "stable 75 % -> 0 %, canary 25 % -> 100 %", "undo"),
    ],
)
def test_the_screen_alone_tells_everything(kind: str, who: str, what: str, back: str) -> None:
    text = screen(SIX[kind])
    assert who in line(text, "who")
    assert what in " ".join(text.split())
    assert "the reason of it" in line(text, "why")
    assert "1 h 0 min ago, in force; " in " ".join(text.split())
    assert f'tipstaff rollout {back} assistant --reason "..."' in line(text, "end it" if kind == "wait" else "undo")
    assert "canary v2" in line(text, "rests")


def test_the_evidence_is_a_table_of_what_was_compared() -> None:
    text = screen(SIX["roll_back"])
    harm = line(text, "harm*").split()
    assert harm == ["harm*", "1.2", "[0.2,2.2]", "3.4", "[2.4,4.4]", "+2.2", "[+0.5,+3.9]", "100", "10", "0.40"]
    assert "rollback E 39.8, acts at 20: weighted mean of worse and alarm, all guardrails" in text
    assert "first violations, harm 31 of 51 the canary's (12.8 if equal)" in text
    assert "alarm E 15.8, acts at 20: weighted mean of alarm; * promotes at proof 10" in text
    assert "finished 12 h user periods: stable 1,200, canary 1,200; % violating [95 %]" in text
    assert "harm budget: 3.2 of 50 (" in text


def test_the_exchange_that_crossed_the_line_is_named() -> None:
    assert f"last straw: /dashboard/exchanges/{'0199c7fd' * 4}" in screen(SIX["freeze"])


def test_what_never_happened_takes_one_line() -> None:
    of = detail("wait")
    zero = {"mean": 0.0, "low": 0.0, "high": 0.01, "periods": 1200}
    for row in of["evidence"]["rows"][1:]:
        row |= {"stable": zero, "canary": zero, "worse": 0.0, "alarm": 0.0, "firsts": None}
    of["evidence"]["rows"][4] |= {"promotes": True, "no_worse": 1.4}
    text = screen(of)
    assert "no violation of (proof): honesty, helpfulness, over_refusal, errors* 25.1" in text
    assert len([each for each in text.splitlines() if "[" in each and "]" in each]) == 2, "the head, and harm"


def test_an_old_rollout_has_no_counts_of_first_violations() -> None:
    of = detail("wait")
    for row in of["evidence"]["rows"]:
        row["firsts"] = None
    assert "first violations" not in screen(of)


def test_what_came_before_is_named() -> None:
    frozen = {"kind": "freeze", "time": "2026-03-02T07:10:00Z", "weights": {"stable": 75.0, "canary": 25.0}}
    text = screen(detail("roll_back", status="rolled_back", can=["retry"], story={"preceding": frozen}))
    assert "FREEZE (stable 75 %, canary 25 %), 2026-03-02 07:10:00 UTC" in line(text, "after")


def test_arms_that_are_not_met_as_dealt_are_pointed_out() -> None:
    of = detail("wait")
    assert "FEWER THAN CHANCE" not in screen(of)
    of["evidence"]["mismatch"] = 3.5
    assert "users by first arm: stable 12,004, canary 1,310 (MORE OR FEWER THAN CHANCE)" in screen(of)


def test_a_wait_says_since_when_the_weights_hold() -> None:
    assert "1 h 0 min ago, in force; the weights hold since 2026-03-01 06:00" in screen(detail("wait"))


def test_a_persons_reason_is_quoted_beside_what_the_evidence_said() -> None:
    by_hand = detail("roll_back", actor="ada", status="rolled_back", can=["retry"])
    assert line(screen(by_hand), "why") == 'why     "the reason of it"'
    assert "(the evidence said so too: " in screen(by_hand)
    by_hand["evidence"] |= {"mean": 0.1, "alarm": 0.2}
    assert "(the evidence did not ask for it: " in screen(by_hand)


def test_an_alarm_that_the_table_does_not_show_yet_says_so() -> None:
    lags = "(the alarm counts at once; rates, proof, rollback E: finished periods)"
    of = detail("freeze", status="frozen", can=["resume"])
    assert lags not in screen(of)
    of["evidence"]["rows"][0] |= {"worse": 0.1, "alarm": 1.5}
    assert lags in screen(of)
    of["decision"]["kind"] = "roll_back"
    assert "(rollback E is high by its alarm part; the table has not caught up)" in screen(of)


def test_how_long_a_promotion_can_be_undone() -> None:
    everyone = {"stable": 0.0, "canary": 100.0}
    until = {"undo_until": "2026-03-09T08:00:00Z"}
    text = screen(detail("promote", after=everyone, status="promoted", can=["finish", "undo"], story=until))
    assert "stable back to 100 %, possible until 2026-03-09 08:00:00 UTC" in text


def test_resuming_after_the_alarm_silences_it() -> None:
    def frozen(**more: Any) -> str:  # noqa: ANN401 - JSON
        return screen(detail("freeze", status="frozen", can=["resume", "rollback"], **more))

    assert "(25 %, may advance; alarms freeze this rollout no more, may roll back)" in frozen(
        exchanges=["0199c7fd" * 4]
    )
    assert "alarms freeze this rollout no more" in frozen(actor="ada"), "whyever it was frozen"


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


def test_the_first_arm_takes_the_rest_however_the_arms_are_sorted() -> None:
    shares = {"canary": 10.0, "stable": 90.0}
    by_hand = detail("weights", actor="ada", rollout="", stage=-1, before=shares, evidence=None)
    by_hand["story"] |= {"began": None, "status": "", "can": [], "stages": [], "plan": ""}
    assert 'tipstaff weights assistant canary=10 --reason "..."' in screen(by_hand)


def test_the_arm_that_a_promotion_took_from_gets_it_back() -> None:
    before = {"alt": 0.0, "canary": 50.0, "stable": 50.0}
    after = {"alt": 0.0, "canary": 95.0, "stable": 5.0}
    text = screen(detail("promote", before=before, after=after, status="promoted", can=["undo"]))
    assert "(stable back to 100 %)" in text


def test_a_wait_of_a_rollout_that_has_ended_offers_no_end() -> None:
    text = screen(detail("wait", status="rolled_back", can=["retry"]))
    assert "retry" in line(text, "undo")
    assert "end it" not in text


def test_a_long_name_leaves_a_command_whole() -> None:
    of = detail("wait")
    of["decision"]["model"] = "customer-support-for-europe-and-asia"
    assert "tipstaff rollout status customer-support-for-europe-and-asia" in screen(of)


def test_an_ab_test_has_no_alarm_and_a_drill_ends_where_it_began() -> None:
    text = screen(detail("suspend", status="suspended", can=["resume"], story={"plan": "compare"}))
    assert "alarm E" not in text
    assert "(back to 25 %)" in text
    assert "(ends the drill)" in screen(detail("advance", drill=0.1))


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
    assert "rollback E 39.8, acts at 20" in text
    assert "in at most 1 of 20 rollouts" in text


@pytest.mark.parametrize(
    ("log10", "text"),
    [
        (-9.0, "<0.01"),
        (0.0, "1.00"),
        (1.30103, "20"),
        (2.5, "316"),
        (3.24, "1,738"),
        (5.2, "1.6e5"),
        (31.7, "5.0e31"),
        (7.9999, "1.0e8"),
    ],
)
def test_e_values_are_short(log10: float, text: str) -> None:
    assert e_value(log10) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7260, "2 h 1 min"), (273600, "3 d 4 h"), (86400, "1 d")],
)
def test_time_spans_have_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text
