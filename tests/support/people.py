"""People who keep asking a model, each on a connection of their own, whatever happens to it."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import httpx

from tests.support.threads import beside

QUESTION = "What does photosynthesis do?"
_REST = 0.02
"""Seconds between two questions of one person: a load that leaves room on a small machine."""


class People:
    """`answered`: ids of the exchanges whose answer came whole; `broken`: how many questions got none.

    `strangers`: every question is of somebody who has not been here before. `prompts`: what they ask, in turn.
    """

    def __init__(
        self, url: str, model: str, *, strangers: bool = False, prompts: Sequence[str] = (QUESTION,)
    ) -> None:
        self.answered: set[str] = set()
        self.broken = 0
        self._url = url
        self._model = model
        self._strangers = strangers
        self._prompts = prompts
        self._lock = threading.Lock()
        self._enough = threading.Event()

    def _live(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=30, headers={"x-user-id": f"person-{number}"}) as client:
            asked = 0
            while not self._enough.wait(_REST):
                asked += 1
                if self._strangers:
                    client.headers["x-user-id"] = f"person-{number}-{asked}"
                prompt = self._prompts[asked % len(self._prompts)]
                self._note(_ask(client, question(self._model, prompt, stream=asked % 2 == 0)))

    def _note(self, identifier: str | None) -> None:
        with self._lock:
            if identifier is None:
                self.broken += 1
            else:
                self.answered.add(identifier)

    def asking(self, count: int) -> AbstractContextManager[None]:
        """`count` of them ask while the block runs."""
        return beside(self._live, count, self._enough, 60)


def question(model: str, prompt: str = QUESTION, **more: object) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **more}


def _ask(client: httpx.Client, body: dict[str, Any]) -> str | None:
    """The exchange's id once the answer has come whole; None when it did not."""
    try:
        with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            said = answer.read()
    except httpx.TransportError:
        return None
    whole = said.endswith(b"data: [DONE]\n\n") if body["stream"] else said.endswith(b"}")
    return answer.headers["x-tipstaff-exchange"] if answer.status_code == 200 and whole else None
