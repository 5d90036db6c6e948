"""What is read from the admin API's numbers, and how it is told."""

import io
from typing import Any

import pytest
from rich.console import Console

from gateway.commands.adminclient import AdminClient
from gateway.demo.observation import ArmSeen, Made, Observation, Rate, observe
from gateway.demo.teller import Latency, Teller, table
from tests.support.manual_clock import ManualClock

WEIGHTS = {"stable": 70.0, "canary": 30.0}
DECISION = {
    "id": "5f3a-4",
    "time": "1970-01-01T00:00:02.000125Z",
    "kind": "roll_back",
    "actor": "tipstaff",
    "reason": "the canary is worse",
    "before": WEIGHTS,
    "after": {"stable": 100.0, "canary": 0.0},
}
MADE = Made("5f3a-4", "roll_back", "tipstaff", "the canary is worse", 30.0, 0.0, 2_000_125)


def seen(stable: dict[str, Rate], canary: dict[str, Rate], exchanges: int = 100) -> Observation:
    arms = {
        "stable": ArmSeen(units=9, exchanges=exchanges, rates=stable, violating=Rate(1, exchanges)),
        "canary": ArmSeen(units=4, exchanges=exchanges, rates=canary, violating=Rate(9, exchanges)),
    }
    return Observation(WEIGHTS, arms, {})


def test_worse_is_a_whole_interval_above_with_enough_seen_of_both() -> None:
    assert seen({"leaks": Rate(1, 100)}, {"leaks": Rate(20, 100)}).worse() == ["leaks"]
    assert seen({"leaks": Rate(10, 100)}, {"leaks": Rate(14, 100)}).worse() == []
    assert seen({"leaks": Rate(20, 100)}, {"leaks": Rate(1, 100)}).worse() == []
    assert seen({"leaks": Rate(0, 20)}, {"leaks": Rate(20, 20)}, exchanges=20).worse() == []
    assert seen({}, {"leaks": Rate(60, 100)}).worse() == []


def test_what_rules_found_but_could_not_clear_elsewhere_is_no_rate() -> None:
    found = seen({"preaching": Rate(1, 1)}, {"preaching": Rate(40, 40)})
    assert found.worse() == []
    assert "40 found" in _shown(found)


def test_the_table_has_both_arms_their_rates_and_latencies() -> None:
    words = _shown(seen({"leaks": Rate(1, 100)}, {"leaks": Rate(20, 100)}))
    assert "stable 70 %" in words
    assert "20/100 = 20.0% [13.3%, 28.9%]" in words
    assert "250 ms" in words


def _shown(found: Observation) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(table(found, Latency({"canary": 0.25})))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_without_a_terminal_numbers_are_lines_and_not_too_many() -> None:
    out = io.StringIO()
    clock = ManualClock()
    with Teller(Console(file=out, width=300), clock) as teller:
        for _ in range(11):
            teller.show(seen({}, {"leaks": Rate(2, 100)}), Latency({}))
            clock.advance(1)
        teller.say("[bold] is no markup here")
    lines = out.getvalue().splitlines()
    assert len(lines) == 3 * 2 + 1
    assert "leaks 2" in lines[1]
    assert lines[-1] == " 11.0 s  [bold] is no markup here"


class Answers(AdminClient):
    """Answers as the admin API does."""

    def __init__(self) -> None: ...

    def weights(self, model: str) -> dict[str, Any]:
        return {"model": model, "weights": WEIGHTS}

    def get(self, path: str, **_: str | int) -> dict[str, Any]:
        if path.endswith("/5f3a/decisions"):
            return {"decisions": [DECISION]}
        if path == "ledger":
            consumers = {"scorer-0": {"delivered": 7, "spooled": 2, "lost": 0}}
            stream = {"stream": "exchanges", "started": 10, "in_flight": 0, "dropped": {"crash": 1}, "appended": 9}
            return {"streams": [{**stream, "consumers": consumers, "balanced": True, "settled": False}]}
        principle = {"principle": "leaks", "evaluated": 8, "violations": 3, "provocations": 1}
        arm = {"arm": "canary", "units": 5, "exchanges": 9, "evaluated": 8, "violating": 3}
        return {"arms": [{**arm, "principles": [principle]}]}


def test_numbers_are_taken_from_where_they_stand() -> None:
    found = observe(Answers(), "assistant")
    assert found.arm("canary") == ArmSeen(5, 9, Rate(3, 8), {"leaks": Rate(3, 8)}, 1)
    assert found.arm("stable") == ArmSeen()
    assert found.decisions == ()
    assert (found.scored, found.streams["exchanges"].dropped, found.streams["exchanges"].spooled) == (9, 1, 2)


def test_decisions_are_read_once_there_is_a_rollout() -> None:
    assert observe(Answers(), "assistant", "5f3a").decisions == (MADE,)


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (MADE, "ROLL BACK, canary 30 % -> 0 %: the canary is worse"),
        (Made("5f3a-1", "start", "operator", "v2", 0.0, 10.0, 1), "START by the operator, canary 0 % -> 10 %: v2"),
        (Made("5f3a-2", "wait", "tipstaff", "units", 10.0, 10.0, 1), "wait, canary 10 %: units"),
    ],
)
def test_a_decision_is_a_line(made: Made, line: str) -> None:
    out = io.StringIO()
    Teller(Console(file=out, width=300), ManualClock()).decided(made)
    assert out.getvalue() == f"  0.0 s  {line}\n"
