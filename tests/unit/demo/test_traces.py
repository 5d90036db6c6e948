"""What is read from users' answers."""

from gateway.demo.traces import lost, statuses, to_arm
from gateway.demo.users import Asked


def asked(sent: float, user: str, arm: str, status: int = 200) -> Asked:
    return Asked(sent, user, arm, status, 0.1 if status else None)


def test_requests_to_an_arm_in_a_time() -> None:
    seen = [asked(1, "a", "canary"), asked(2, "a", "canary"), asked(3, "b", "stable"), asked(4, "a", "canary")]
    assert [each.sent for each in to_arm(seen, "canary", 1, 3)] == [2]
    assert [each.sent for each in to_arm(seen, "canary", 1)] == [2, 4]


def test_who_gets_the_canary_later_has_lost_nothing() -> None:
    assert lost([asked(1, "a", "stable"), asked(5, "a", "canary"), asked(9, "a", "canary")], "canary", 20) == set()


def test_who_is_sent_away_from_it_has_lost_it() -> None:
    seen = [asked(1, "a", "canary"), asked(5, "a", "stable"), asked(6, "b", "stable")]
    assert lost(seen, "canary", 20) == {"a"}
    assert lost(list(reversed(seen)), "canary", 20) == {"a"}


def test_after_the_rollback_and_amid_a_change_nobody_loses_it() -> None:
    assert lost([asked(1, "a", "canary"), asked(5, "a", "stable")], "canary", 5.05) == set()
    assert lost([asked(1, "a", "canary"), asked(1.5, "a", "stable")], "canary", 20) == set()
    assert lost([asked(1, "a", "canary"), asked(5, "a", "", 0)], "canary", 20) == set()


def test_statuses_in_words() -> None:
    assert (
        statuses([asked(1, "a", "stable"), asked(2, "a", "", 0), asked(3, "b", "stable")]) == "nothing: 1, 200: 2"
    )
