"""The wish for a rollout in the configuration: what fits, and what is said of what does not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.commands.check import check_config, key_list
from gateway.configfile import parse
from gateway.settings import ConfigError, Settings


def config(rollout: object, **canary: object) -> dict[str, Any]:
    arms = {
        "stable": {"endpoints": ["http://127.0.0.1:8001"], "version": "v1"},
        "canary": {"endpoints": ["http://127.0.0.1:8002"], "version": "v2", **canary},
    }
    return {"models": {"assistant": {"arms": arms, "rollout": rollout}}}


def read(raw: dict[str, Any]) -> Settings:
    return parse(raw, Path("/etc/tipstaff"), {})


@pytest.mark.parametrize("plan", ["cautious", {"preset": "fast", "stages": [10, 50]}])
def test_a_wish_names_arms_and_a_plan(plan: object) -> None:
    wish = read(config({"from": "stable", "to": "canary", "plan": plan})).models["assistant"].rollout
    assert wish is not None
    assert (wish.start, wish.to, wish.plan) == ("stable", "canary", plan)


def test_the_baseline_and_the_plan_may_be_left_out() -> None:
    wish = read(config({"to": "canary"})).models["assistant"].rollout
    assert wish is not None
    assert (wish.start, wish.plan) == ("", "balanced")


@pytest.mark.parametrize(
    ("rollout", "canary", "words"),
    [
        ({"to": "canary"}, {"weight": 10}, "'canary' has a weight, and the rollout sets it"),
        ({"to": "nobody"}, {}, "rollout.to: 'nobody': expected another arm than the first"),
        ({"to": "stable"}, {}, "rollout.to: 'stable'"),
        ({"to": "canary", "from": "canary"}, {}, "rollout.from: 'canary': a rollout goes from 'stable'"),
        ({"to": "canary"}, {"version": ""}, "has no `version`"),
        ({"to": "canary", "percent": 5}, {}, "no such key"),
        ({"from": "stable"}, {}, "missing"),
    ],
)
def test_what_does_not_fit_is_said(rollout: object, canary: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(config(rollout, **canary))


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("bold", "models.assistant.rollout.plan.preset: 'bold': expected one of cautious"),
        ({"preset": ["fast"]}, "models.assistant.rollout.plan.preset: ['fast']: expected one of cautious"),
        ({"stages": [50, 10]}, "models.assistant.rollout.plan.stages"),
        ({"stages": [1, 98]}, "models.assistant.rollout.plan.holdout: 95: expected at least the last stage"),
        ({"approval": [1]}, "models.assistant.rollout.plan.approval: (1.0,): expected stages behind the first"),
        (
            {"guardrails": [{"metric": "harm", "promotes": True}, {"metric": "feedback:Thumbs Down"}]},
            "models.assistant.rollout.plan.guardrails[1].metric: 'feedback:Thumbs Down'",
        ),
        ({"minimum_units": -5}, "models.assistant.rollout.plan.minimum_units"),
        ({"redeal": -1}, "models.assistant.rollout.plan.dwell, holdout_dwell, redeal"),
        ({"holdout_dwell": -5}, "models.assistant.rollout.plan.dwell, holdout_dwell, redeal"),
        ({"harm_budget": -1}, "models.assistant.rollout.plan.harm_budget"),
        ({"harm_budget": float("nan")}, "models.assistant.rollout.plan.harm_budget"),
        ({"blind": {"after": -1}}, "models.assistant.rollout.plan.blind.after"),
        ({"period": float("inf")}, "models.assistant.rollout.plan.period, max_duration"),
        (
            {"guardrails": [{"metric": "principle:nonesuch", "promotes": True}]},
            "models.assistant.rollout.plan.guardrails[0].metric: the constitution has no principle 'nonesuch'",
        ),
    ],
)
def test_check_finds_plans_that_cannot_be_used(tmp_path: Path, plan: object, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config({"to": "canary", "plan": plan}), sort_keys=False))
    report = check_config(path)
    assert report.exit_code == 2
    assert report.problems[0].startswith(words)


def test_its_keys_are_listed() -> None:
    listed = "\n".join(key_list())
    for key in ("to", "from", "plan"):
        assert f"models.<name>.rollout.{key}" in listed
