"""What a notification says of a decision, in each form that receivers take."""

from collections.abc import Callable

import msgspec

from gateway.controller.routers.values import moment, percent
from gateway.events.schema import DecisionV1
from gateway.settings import Form


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


FORMS: dict[Form, Callable[[DecisionV1, str, str], bytes]] = {"json": as_json, "slack": as_slack}


def _plain(text: str) -> str:
    """Slack takes three characters for markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shares(weights: dict[str, float]) -> str:
    return ", ".join(f"{_plain(arm)} {percent(share):g} %" for arm, share in weights.items()) or "nothing"
