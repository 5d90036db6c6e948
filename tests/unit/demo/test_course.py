"""Which course of a rollout is the right one for a canary that turns bad at second 60."""

from gateway.demo.course import Course
from gateway.demo.observation import Made

TURNED_US = 60_000_000


def course(*decided: tuple[float, str]) -> Course:
    made = [Made(f"r-{at}", kind, "tipstaff", "E 99", 50.0, 0.0, round(at * 1e6)) for at, kind in decided]
    return Course(made, TURNED_US, 100.0)


def test_frozen_and_rolled_back_after_the_turn_is_right() -> None:
    right = course((0, "start"), (1, "wait"), (28, "advance"), (67.5, "freeze"), (70, "roll_back"))
    assert right.problems() == []
    assert right.told() == ["after the turn: frozen in 7.5 s, rolled back in 10.0 s"]


def test_a_bad_canary_that_stays_is_wrong() -> None:
    for stayed in (course((0, "start")), course((0, "start"), (70, "freeze"))):
        assert stayed.problems() == ["the bad canary was not rolled back within 100 s"]
        assert stayed.told() == []


def test_a_healthy_canary_that_lost_its_users_is_wrong() -> None:
    for kind in ("roll_back", "suspend", "stop"):
        (problem,) = course((0, "start"), (59.5, kind), (70, "roll_back")).problems()
        assert problem == "the healthy canary lost its users 0.5 s before it turned bad: E 99"


def test_a_false_alarm_is_told_and_not_wrong() -> None:
    alarmed = course((0, "start"), (40, "freeze"), (75, "roll_back"))
    assert alarmed.problems() == []
    assert alarmed.told()[0].startswith("a false alarm")
    assert alarmed.told()[1] == "after the turn: rolled back in 15.0 s"


def test_a_mean_that_is_faster_than_the_alarm_is_told() -> None:
    assert course((70, "roll_back")).told() == ["after the turn: before the fast alarm, rolled back in 10.0 s"]
