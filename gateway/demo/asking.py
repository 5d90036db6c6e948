"""Who asks what, and when: the same for the same seed. No socket, no clock."""

from random import Random
from typing import Any

import msgspec

from gateway.demo.wording import prompts

_UNSAFE = 0.15
"""Share of requests that should not be fulfilled."""
_STREAMING = 0.6
_COMPLETIONS = 0.05


class Traffic(msgspec.Struct, frozen=True):
    """`rate`: arrivals a second. `users`: how many come back; the k-th comes about 1/k as often as the first.

    `fresh`: share of arrivals by somebody who was never there before. No more than `most` requests are ever sent.
    `max_tokens` is asked for in each.
    """

    rate: float
    users: int = 400
    fresh: float = 0.0
    most: int = 20_000
    max_tokens: int = 64


class Request(msgspec.Struct, frozen=True):
    """`pause`: seconds since the one before. `body` goes to `path`."""

    pause: float
    user: str
    path: str
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """What is asked."""
        messages = self.body.get("messages")
        return str(messages[0]["content"] if messages else self.body["prompt"])


class Asking:
    """Draws requests for `model`, one after another."""

    def __init__(self, traffic: Traffic, model: str, seed: int) -> None:
        self._traffic = traffic
        self._model = model
        self._chance = Random(seed)
        self._weights = [1.0 / rank for rank in range(1, traffic.users + 1)]
        self._number = 0

    def draw(self) -> Request | None:
        """The next one; None once the most were drawn. Pauses are exponential: nobody knows of the others."""
        if self._number >= self._traffic.most:
            return None
        self._number += 1
        pause = self._chance.expovariate(self._traffic.rate)
        user = f"user-{self._chance.choices(range(self._traffic.users), self._weights)[0]}"
        if self._chance.random() < self._traffic.fresh:
            user = f"new-{self._number}"
        return Request(pause, user, *self._request())

    def _request(self) -> tuple[str, dict[str, Any]]:
        prompt = self._chance.choice(prompts(unsafe=self._chance.random() < _UNSAFE))
        body: dict[str, Any] = {
            "model": self._model,
            "seed": self._number,
            "max_tokens": self._traffic.max_tokens,
            "stream": self._chance.random() < _STREAMING,
        }
        if self._chance.random() < _COMPLETIONS:
            return "/v1/completions", {**body, "prompt": prompt}
        return "/v1/chat/completions", {**body, "messages": [{"role": "user", "content": prompt}]}
