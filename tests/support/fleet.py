"""Two gateways before the same arms: one controller decides, the other gateway follows it."""

from pathlib import Path
from typing import Any

import httpx

from gateway.demo.wording import prompts
from tests.support.people import question
from tests.support.stack import Stack

USERS = [f"user-{number}" for number in range(40)]
_HARMLESS = prompts(unsafe=False)
_PROXY = "tipstaff-proxy-0123456789abcdef"
OPERATOR = "tipstaff-operator-0123456789abcdef"


class Fleet:
    """`lead` decides, `other` follows it. `kafka`: the configuration's `events.kafka`, and the lead gathers.

    `content`: its `events.content`.
    """

    def __init__(
        self, folder: Path, arms: dict[str, Any], kafka: dict[str, Any] | None = None, content: str = "omit"
    ) -> None:
        self._content = content
        words = {"key": "5f" * 32, "proxy": _PROXY, "operator": OPERATOR, "wrong": f"{_PROXY}x"}
        for name, text in words.items():
            (folder / name).write_text(text)
        self.folder = folder
        self._models = {"assistant": {"unit": ["header:x-user-id"], "arms": arms}}
        self._kafka = kafka
        self.lead = self._gateway(
            "lead",
            gather=["other"],
            admin_tokens=[
                {"name": "other", "role": "proxy", "file": str(folder / "proxy")},
                {"name": "ada", "role": "operator", "file": str(folder / "operator")},
            ],
        )
        self.lead.admin.headers["authorization"] = f"Bearer {OPERATOR}"
        self.other = self.follower()

    def follower(self, name: str = "other", token: str = "proxy") -> Stack:  # noqa: S107 - a file's name
        """Another one, with the token of that file."""
        control = {"url": f"http://127.0.0.1:{self.lead.admin_port}", "token_file": str(self.folder / token)}
        return self._gateway(name, control=control)

    def _gateway(self, name: str, gather: list[str] | None = None, **more: Any) -> Stack:  # noqa: ANN401
        (self.folder / name).mkdir()
        events = {} if self._kafka is None else {"source": name, "kafka": self._kafka, "content": self._content}
        if gather and events:
            events["gather"] = gather
        return Stack(
            self.folder / name,
            self._models,
            unit_key_file=str(self.folder / "key"),
            expose_arm=True,
            scoring={"encoder": "none"},
            events=events,
            **more,
        )


def arms_of(stack: Stack) -> list[str]:
    """Who is on which arm there, user by user."""
    return [ask(stack, user).headers["x-tipstaff-arm"] for user in USERS]


def ask_something(stack: Stack, number: int) -> str:
    """A harmless question, another one for each number, by a user of that number; the exchange's id."""
    body = question("assistant", max_tokens=16)
    body["messages"][0]["content"] = _HARMLESS[number % len(_HARMLESS)]
    headers = {"x-user-id": f"u{number}"}
    answer = stack.client.post("/v1/chat/completions", json=body, headers=headers).raise_for_status()
    return answer.headers["x-tipstaff-exchange"]


def ask(stack: Stack, user: str) -> httpx.Response:
    """A question of that user."""
    body = question("assistant", max_tokens=4)
    return stack.client.post("/v1/chat/completions", json=body, headers={"x-user-id": user}).raise_for_status()


def give(stack: Stack, percent: float) -> None:
    """The canary's share, by an operator's word."""
    body = {"weights": {"canary": percent}, "reason": "a test"}
    stack.admin.put("/api/v1/models/assistant/weights", json=body).raise_for_status()
