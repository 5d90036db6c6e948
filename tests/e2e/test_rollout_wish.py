"""A rollout that the configuration wishes for: `tipstaff serve` starts it once, whatever happens afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import Stack, tipstaff

ARMS = {
    "stable": {"endpoints": ["http://127.0.0.1:1"], "version": "1"},
    "canary": {"endpoints": ["http://127.0.0.1:1"], "version": "2"},
}


def wish(**more: object) -> dict[str, Any]:
    return {"assistant": {"arms": ARMS, "rollout": {"to": "canary", **more}}}


def say(stack: Stack, *words: str) -> dict[str, Any]:
    done = tipstaff("rollout", *words, "--json", "--admin", f"127.0.0.1:{stack.admin_port}")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def weights(stack: Stack) -> dict[str, float]:
    (model,) = stack.status()["models"]
    return dict(model["weights"])


def test_it_is_started_once_and_the_winner_of_the_next_one_stays(tmp_path: Path) -> None:
    with Stack(tmp_path, wish(plan="fast")) as stack:
        (first,) = say(stack, "history", "assistant")["rollouts"]
        assert (first["status"], weights(stack)) == ("running", {"stable": 95.0, "canary": 5.0})
        assert say(stack, "decisions", "assistant")["decisions"][0]["actor"] == "config"

        assert stack.stop() == 0
        stack.start()
        assert [each["id"] for each in say(stack, "history", "assistant")["rollouts"]] == [first["id"]]

        say(stack, "rollback", "assistant", "--reason", "no")
        assert stack.stop() == 0
        stack.start()
        (same,) = say(stack, "history", "assistant")["rollouts"]
        assert (same["id"], same["status"]) == (first["id"], "rolled_back")
        assert weights(stack) == {"stable": 100.0, "canary": 0.0}

        say(stack, "retry", "assistant", "--reason", "mended")
        say(stack, "promote", "assistant", "--reason", "yes")
        printed = say(stack, "finish", "assistant", "--reason", "it is the baseline")["yaml"]
        assert stack.stop() == 0
        stack.config.write_text(printed)
        stack.start()
        assert weights(stack) == {"canary": 100.0, "stable": 0.0}
        assert len(say(stack, "history", "assistant")["rollouts"]) == 2


def test_a_plan_that_the_constitution_does_not_fit_ends_the_start(tmp_path: Path) -> None:
    plan = {"guardrails": [{"metric": "principle:nonesuch", "promotes": True}]}
    with pytest.raises(RuntimeError, match=r"(?s)ended with 2:.*models\.assistant\.rollout\.plan\.guardrails\[0\]"):
        Stack(tmp_path, wish(plan=plan)).start()
