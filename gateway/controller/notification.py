"""What a notification says of a decision or a level alarm, in each form that receivers take."""

from collections.abc import Callable
from typing import Literal

import msgspec

from gateway.controller.routers.values import moment, percent
from gateway.events.schema import DecisionV1
from gateway.settings import Form


class LevelAlarm(msgspec.Struct, frozen=True):
    """A principle is violated more often than it was in earlier weeks. `rate`: mean share of a unit's answers
    within an hour, over the last three hours; `budget`: what it was not to exceed.
    """

    time_us: int
    model: str
    arm: str
    version: str
    principle: str
    rate: float
    budget: float

    @property
    def kind(self) -> Literal["level"]:
        """As receivers ask for it."""
        return "level"

    @property
    def id(self) -> str:
        """The same for the same alarm."""
        return f"level-{self.model}-{self.arm}-{self.principle}-{self.time_us}"

    @property
    def reason(self) -> str:
        """In one sentence."""
        return f"{self.principle}: {self.rate:.2%} of a user's answers in an hour, {self.budget:.2%} is the budget"


Told = DecisionV1 | LevelAlarm
"""What people are told of."""


def as_json(decision: DecisionV1, head: str, link: str) -> bytes:
    """For machines. Weights in percent; `drill`: 0 where it is real; `head`: hash of the chain's newest decision;
    `link`: empty without one.
    """
    return msgspec.json.encode(
        {
            "decision": decision.id,
            "time": moment(decision.time_us),
            "model": decision.model,
            "rollout": decision.rollout,
            "kind": decision.kind,
            "drill": decision.drill,
            "stage": decision.stage,
            "actor": decision.actor,
            "reason": decision.reason,
            "before": {arm: percent(share) for arm, share in decision.weights.before.items()},
            "after": {arm: percent(share) for arm, share in decision.weights.after.items()},
            "link": link,
            "head": head,
        }
    )


def as_slack(decision: DecisionV1, head: str, link: str) -> bytes:
    """For Slack's incoming webhooks, and those that take the same form."""
    drill = "DRILL, nothing is wrong: " if decision.drill else ""
    title = f"{drill}*{decision.kind.replace('_', ' ')}* of {_plain(decision.model)}, by {_plain(decision.actor)}"
    lines = [
        title,
        _plain(decision.reason),
        f"{_shares(decision.weights.before)} → {_shares(decision.weights.after)}",
    ]
    if link:
        lines.append(f"<{link}|the decision>")
    lines.append(f"chain head `{head}`")
    return msgspec.json.encode({"text": "\n".join(lines)})


def level_as_json(alarm: LevelAlarm, head: str, link: str) -> bytes:
    """As `as_json`; rate and budget in [0, 1]."""
    said = {
        name: getattr(alarm, name) for name in ("kind", "model", "arm", "version", "principle", "rate", "budget")
    }
    return msgspec.json.encode(
        {**said, "id": alarm.id, "time": moment(alarm.time_us), "reason": alarm.reason, "link": link, "head": head}
    )


def level_as_slack(alarm: LevelAlarm, head: str, link: str) -> bytes:
    """As `as_slack`."""
    arm = f"{alarm.arm} ({alarm.version})" if alarm.version else alarm.arm
    lines = [f"*level alarm* for {_plain(alarm.model)}, {_plain(arm)}", _plain(alarm.reason)]
    if link:
        lines.append(f"<{link}|the alarms>")
    lines.append(f"chain head `{head}`")
    return msgspec.json.encode({"text": "\n".join(lines)})


def written(told: Told, form: Form, head: str, link: str) -> bytes:
    """In the form that a receiver takes."""
    if isinstance(told, LevelAlarm):
        return _LEVEL_FORMS[form](told, head, link)
    return _FORMS[form](told, head, link)


_FORMS: dict[Form, Callable[[DecisionV1, str, str], bytes]] = {"json": as_json, "slack": as_slack}
_LEVEL_FORMS: dict[Form, Callable[[LevelAlarm, str, str], bytes]] = {
    "json": level_as_json,
    "slack": level_as_slack,
}


def _plain(text: str) -> str:
    """Slack takes three characters for markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shares(weights: dict[str, float]) -> str:
    return ", ".join(f"{_plain(arm)} {percent(share):g} %" for arm, share in weights.items()) or "nothing"
