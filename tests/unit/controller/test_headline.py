"""The three sentences that the person on call reads."""

from typing import Any

import pytest

from gateway.controller import headline
from gateway.controller.headline import Account, Answers, Lamp, Lost, Raised, Trial, loss_lamp, rollout_lamp

NOW = 1_772_366_640_000_000  # 2026-03-01 12:04 UTC
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
SEEN = Answers(NOW - HOUR, 1210, 1204, 9)


def trial(**changes: Any) -> Trial:  # noqa: ANN401 - fields
    values: dict[str, Any] = {
        "canary": "canary",
        "status": "running",
        "percent": 25.0,
        "stage": 2,
        "count": 4,
        "drill": False,
        "by_tipstaff": True,
        "decided_us": NOW - 3 * MINUTE,
        "reason": "stage 1 is passed",
        "alarmed": False,
        "guardrail": "harm",
        "waits_for": "dwell",
        "why": "the stage is held for 1 h",
        "evidence": 0.63,
        "needs": 20.0,
    }
    return Trial(**{**values, **changes})


def safety(of: Trial | None = None, answers: Answers = SEEN, lag: float | None = 0.1, *raised: Raised) -> Lamp:
    return headline.safety_lamp(of, answers, lag, raised, NOW)


class TestIsARolloutRunning:
    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            (None, Lamp("none", "no rollout is running")),
            (trial(), Lamp("ok", "canary at 25 %, stage 2 of 4: the stage is held for 1 h")),
            (
                trial(waits_for="approval", why="the stage of 50 % needs a person"),
                Lamp("notice", "canary at 25 %, stage 2 of 4: the stage of 50 % needs a person"),
            ),
            (
                trial(status="frozen", waits_for="operator"),
                Lamp("notice", "canary frozen at 25 %, stage 2 of 4, since 12:01 UTC: resume or roll back"),
            ),
            (
                trial(status="suspended", percent=0.0),
                Lamp("notice", "canary suspended in stage 2 of 4 since 12:01 UTC: resume or roll back"),
            ),
            (
                trial(status="holdout", percent=95.0, stage=4),
                Lamp("ok", "holdout, 95 % have canary, stage 4 of 4: the stage is held for 1 h"),
            ),
            (
                trial(status="promoted", decided_us=NOW - 2 * DAY),
                Lamp("ok", "promoted: everyone has canary since 27 Feb 12:04 UTC; finish it or undo it"),
            ),
            (
                trial(status="rolled_back"),
                Lamp("none", "no rollout is running; the last rollout was rolled back 3 min ago"),
            ),
            (
                trial(status="finished", drill=True, decided_us=NOW - 5 * HOUR),
                Lamp("none", "no rollout is running; the last drill was finished 5 h ago"),
            ),
        ],
    )
    def test_in_a_sentence(self, found: Trial | None, expected: Lamp) -> None:
        assert rollout_lamp(found, NOW) == expected

    @pytest.mark.parametrize("waits_for", ["", "dwell", "units", "proof", "hours", "comparing", "stepping"])
    def test_it_moves_by_itself(self, waits_for: str) -> None:
        assert rollout_lamp(trial(waits_for=waits_for), NOW).level == "ok"

    @pytest.mark.parametrize(
        "waits_for", ["approval", "budget", "labels", "mismatch", "blind", "no_room", "fail_over", "changed", "new"]
    )
    def test_somebody_should_look(self, waits_for: str) -> None:
        assert rollout_lamp(trial(waits_for=waits_for), NOW).level == "notice"

    def test_where_another_decides(self) -> None:
        found = headline.elsewhere_lamp("control.example decides how units are split" + "." * 200)
        assert (found.level, len(found.said)) == ("none", 120)

    def test_a_drill_says_that_it_is_one(self) -> None:
        assert rollout_lamp(trial(drill=True), NOW).said.startswith("drill: canary at 25 %")


class TestIsItSafe:
    def test_ok_says_what_was_looked_at(self) -> None:
        checked = "1,204 of 1,210 answers since 11:04 UTC checked, 9 violate (0.7%)"
        assert safety() == Lamp("ok", checked)
        assert safety(trial()) == Lamp("ok", f"{checked}; no sign that canary is worse")
        leaning = safety(trial(evidence=4.5))
        assert leaning == Lamp("ok", f"{checked}; canary leans towards worse (E 4.50 of 20)")
        assert "drill: no sign" in safety(trial(drill=True)).said

    def test_nothing_evaluated_is_never_ok(self) -> None:
        nothing = Answers(NOW - HOUR)
        assert safety(None, nothing) == Lamp("none", "no answers since 11:04 UTC: nothing was looked at")
        assert safety(trial(), nothing).level == "notice"
        none = Answers(NOW - HOUR, 412, 0, 0)
        assert safety(None, none) == Lamp("notice", "none of 412 answers since 11:04 UTC could be checked")
        few = Answers(NOW - HOUR, 412, 12, 0)
        assert safety(None, few) == Lamp("notice", "only 12 of 412 answers since 11:04 UTC could be checked")

    def test_servers_that_do_not_answer_come_first(self) -> None:
        down = Answers(NOW - HOUR, 55, 30, 0, asked=25, failed=25)
        said = "25 of the last 25 requests failed: the model's servers do not answer"
        assert safety(trial(status="frozen", alarmed=True), down) == Lamp("bad", said)
        few = Answers(NOW - HOUR, 55, 55, 0, asked=4, failed=4)
        half = Answers(NOW - HOUR, 55, 55, 0, asked=25, failed=12)
        assert safety(None, few).level == safety(None, half).level == "ok"

    def test_most_must_have_been_read(self) -> None:
        assert safety(None, Answers(NOW - HOUR, 100, 90, 0)).level == "ok"
        found = safety(None, Answers(NOW - HOUR, 100, 89, 0))
        assert found == Lamp("notice", "only 89 of 100 answers since 11:04 UTC could be checked")

    def test_without_a_scorer_or_with_one_that_is_behind(self) -> None:
        assert safety(lag=None) == Lamp("notice", "no scorer runs: nothing is checked")
        assert safety(lag=60.0) == Lamp(
            "ok", "1,204 of 1,210 answers since 11:04 UTC checked, 9 violate (0.7%) (60 s behind)"
        )
        behind = Lamp("notice", "scoring is 95 s behind: newer answers are not checked yet")
        assert safety(lag=95.0) == behind

    def test_a_bad_canary_that_users_still_have_is_bad(self) -> None:
        said = "25 % still have canary: frozen by the fast alarm on harm, 12:01 UTC"
        assert safety(trial(status="frozen", alarmed=True)) == Lamp("bad", said)
        assert safety(trial(status="frozen", alarmed=True), lag=None).said == said

    @pytest.mark.parametrize(
        ("found", "said"),
        [
            (trial(status="suspended", alarmed=True), "suspended by the fast alarm on harm, 12:01 UTC"),
            (trial(status="suspended", reason="it is worse"), "suspended at 12:01 UTC: it is worse"),
        ],
    )
    def test_one_that_nobody_has_any_more_is_a_notice(self, found: Trial, said: str) -> None:
        assert safety(found) == Lamp("notice", f"nobody has canary: {said}")
        gone = trial(status="rolled_back", reason="the canary is worse: the mean is 25.3")
        told = "nobody has canary, rolled back 3 min ago: the canary is worse: the mean is 25.3"
        assert safety(gone) == Lamp("notice", told)
        assert safety(gone, lag=None) == Lamp("notice", "no scorer runs: nothing is checked")

    def test_what_an_operator_did_is_a_notice_under_their_word(self) -> None:
        found = trial(status="rolled_back", by_tipstaff=False, reason="a complaint")
        told = "nobody has canary, rolled back by an operator 3 min ago: a complaint"
        assert safety(found) == Lamp("notice", told)
        undone = trial(status="undone", by_tipstaff=False, reason="a complaint")
        assert safety(undone).said == (
            "nobody has canary, its promotion undone by an operator 3 min ago: a complaint"
        )
        frozen = trial(status="frozen", by_tipstaff=False, reason="a complaint")
        assert safety(frozen) == Lamp(
            "notice", "25 % still have canary: frozen by an operator at 12:01 UTC: a complaint"
        )

    def test_what_a_drill_found_is_never_bad_and_says_drill(self) -> None:
        assert safety(trial(status="frozen", drill=True, alarmed=True)).level == "notice"
        assert safety(trial(status="rolled_back", drill=True, reason="worse")) == Lamp(
            "notice", "drill: nobody has canary, rolled back 3 min ago: worse"
        )

    def test_news_grow_old_but_what_stands_still_does_not(self) -> None:
        assert safety(trial(status="rolled_back", decided_us=NOW - DAY)).level == "notice"
        assert safety(trial(status="rolled_back", decided_us=NOW - DAY - 1)).level == "ok"
        assert safety(trial(status="frozen", alarmed=True, decided_us=NOW - 9 * DAY)).level == "bad"

    def test_a_level_alarm_comes_first(self) -> None:
        found = safety(trial(status="frozen"), SEEN, None, Raised("stable", "privacy", NOW - HOUR))
        said = "level alarm: privacy on stable is violated more often than in earlier weeks, since 11:04 UTC"
        assert found == Lamp("bad", said)
        several = (Raised("stable", "privacy", NOW), Raised("canary", "honesty", NOW - HOUR))
        assert safety(None, SEEN, 0.1, *several).said.startswith("level alarm (and 1 more): honesty on canary")

    @pytest.mark.parametrize("waits_for", ["blind", "mismatch", "shift", "unscored", "leaning", "labels"])
    def test_evidence_that_is_in_doubt_is_said(self, waits_for: str) -> None:
        found = trial(waits_for=waits_for, why="why it is in doubt")
        assert safety(found) == Lamp("notice", "why it is in doubt")


class TestIsAnythingLost:
    def test_ok_counts(self) -> None:
        assert loss_lamp(Account(exchanges=12345), NOW) == Lamp(
            "ok", "nothing lost: 12,345 exchanges, all accounted for"
        )
        found = loss_lamp(Account(exchanges=12345, lost_before=3), NOW)
        said = "nothing lost today; 3 events earlier, of 12,345 exchanges; all are accounted for"
        assert found == Lamp("ok", said)

    def test_what_was_lost_and_how(self) -> None:
        lost = [Lost("exchanges", "crash", 3, NOW), Lost("feedback", "queue_full", 1, NOW)]
        assert loss_lamp(Account(exchanges=9, lost=lost), NOW) == Lamp(
            "bad", "3 of 9 exchanges lost in a crash, 12:04 UTC, and 1 other events"
        )
        one = [Lost("exchanges", "some_way", 1, NOW - DAY)]
        assert loss_lamp(Account(exchanges=9, lost=one), NOW).said == (
            "1 of 9 exchanges lost (some way), 28 Feb 12:04 UTC"
        )

    @pytest.mark.parametrize(
        ("account", "level", "said"),
        [
            (Account(exchanges=1, unbalanced=["verdicts"]), "bad", "the ledger does not add up for verdicts"),
            (
                Account(exchanges=1, free_bytes=5_000_000, free=0.001),
                "bad",
                "the disk is full: 5 MB are free, and what comes is lost",
            ),
            (Account(exchanges=1, troubles=["relay: no broker"]), "notice", "nothing lost, but relay: no broker"),
            (Account(exchanges=1, free=0.02), "notice", "nothing lost yet, but only 2.0% of the disk is free"),
            (
                Account(exchanges=1, lags={"the relay": 61.0, "the scorer": 5.0}, waiting={"the relay": 1204}),
                "notice",
                "nothing lost, but the relay is 61 s behind: 1,204 events wait for it",
            ),
            (Account(exchanges=1, lags={"the relay": 60.0}), "ok", "nothing lost: 1 exchanges"),
        ],
    )
    def test_what_is_wrong_or_near_it(self, account: Account, level: str, said: str) -> None:
        found = loss_lamp(account, NOW)
        assert (found.level, found.said[: len(said)]) == (level, said)


class TestOverAllModels:
    def test_the_worst_is_named(self) -> None:
        lamps = {"a": Lamp("ok", "fine"), "b": Lamp("bad", "frozen"), "c": Lamp("none", "nothing")}
        assert headline.over_all(lamps) == Lamp("bad", "b: frozen")
        assert headline.over_all({"a": Lamp("ok", "fine"), "c": Lamp("none", "-")}) == Lamp("ok", "a: fine")

    def test_what_is_the_same_for_all_is_said_once(self) -> None:
        same = Lamp("notice", "no scorer runs: nothing is checked")
        assert headline.over_all({"a": same, "b": same}) == same

    def test_others_as_bad_are_counted(self) -> None:
        lamps = {"a": Lamp("bad", "x" * 120), "b": Lamp("bad", "frozen")}
        found = headline.over_all(lamps)
        assert found.said.endswith("… (and 1 more)")
        assert len(found.said) == 120

    def test_without_models(self) -> None:
        assert headline.over_all({}) == Lamp("none", "no models are configured")


def test_no_sentence_is_long() -> None:
    long = trial(status="rolled_back", reason="because " * 100)
    assert len(safety(long).said) <= 120
    assert safety(long).said.endswith("…")
    assert len(rollout_lamp(trial(why="since " * 100), NOW).said) <= 120
