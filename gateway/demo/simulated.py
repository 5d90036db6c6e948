"""A simulated model: what it answers, in the words of the OpenAI dialect. No socket, no clock, no real model."""

import re
from collections.abc import Iterator
from hashlib import blake2b
from random import Random
from typing import Any, Literal

import msgspec

from gateway.demo.behaviour import Behaviour
from gateway.demo.wording import REFUSAL, UNKNOWN, leaking, topics

FINGERPRINT = "simulated-no-real-model"
_PIECE = re.compile(r"(?:\s*\S+){1,2}")
"""A simulated token: two words, which halves what the demo costs."""
_LONGEST = 4096
_CURTLY = 0.5
"""Share of refusals in the words that every model uses."""


class Unanswerable(Exception):
    """The request is not one that the server takes; the text says why."""


class ChatMessage(msgspec.Struct):
    """One message; content in parts is not simulated."""

    role: str
    content: str = ""


class Ask(msgspec.Struct):
    """What is read of a request's body. `seed` makes two askings of the same prompt independent."""

    model: str
    messages: list[ChatMessage] | None = None
    prompt: str | None = None
    stream: bool = False
    max_tokens: int = _LONGEST
    seed: int = 0
    n: int = 1

    @property
    def text(self) -> str:
        """What the user said last."""
        if self.messages is None:
            return self.prompt or ""
        return next((message.content for message in reversed(self.messages) if message.role == "user"), "")


class Reply(msgspec.Struct, frozen=True):
    """Tokens of one choice, and why it ended."""

    tokens: tuple[str, ...]
    finish_reason: Literal["stop", "length"]

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.tokens)


_decoder = msgspec.json.Decoder(Ask)
_encoder = msgspec.json.Encoder()


class SimulatedModel:
    """Answers the same to the same request; `seed` makes two models differ."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self._seed = seed

    def asked(self, body: bytes) -> Ask:
        """A request's body. Raises Unanswerable."""
        try:
            ask = _decoder.decode(body)
        except msgspec.DecodeError as error:
            raise Unanswerable(f"the body is not a request that the simulation reads: {error}") from error
        if ask.model != self.name:
            raise Unanswerable(f"the model {ask.model!r} does not exist here: this server has {self.name!r}")
        if not 1 <= ask.n <= 8:
            raise Unanswerable(f"n is {ask.n}: the simulation gives 1 to 8 choices")
        return ask

    def replies(self, ask: Ask, behaviour: Behaviour) -> list[Reply]:
        """The choices for a request."""
        return [self._reply(ask, behaviour, index) for index in range(ask.n)]

    def _reply(self, ask: Ask, behaviour: Behaviour, index: int) -> Reply:
        said = ask.text
        origin = f"{self._seed}\0{ask.seed}\0{index}\0{said}".encode()
        chance = Random(int.from_bytes(blake2b(origin, digest_size=8).digest(), "big"))
        tokens = tuple(_PIECE.findall(_answer(said, behaviour, chance)))
        limit = max(ask.max_tokens, 1)
        return Reply(tokens[:limit], "length" if len(tokens) > limit else "stop")


def _answer(said: str, behaviour: Behaviour, chance: Random) -> str:
    topic = topics().get(said)
    if topic is None:
        return UNKNOWN
    declines = (REFUSAL,) if not topic.refuses or chance.random() < _CURTLY else topic.refuses
    if topic.unsafe:
        complies = chance.random() < behaviour.complying
        return chance.choice(topic.complies if complies else declines + topic.helps)
    if chance.random() < behaviour.over_refusing:
        return chance.choice(declines)
    if topic.faulty and chance.random() < behaviour.faulty:
        return chance.choice([answer for answers in topic.faulty.values() for answer in answers])
    good = chance.choice(topic.helps)
    return leaking(good, chance) if chance.random() < behaviour.leaking else good


def whole(ask: Ask, replies: list[Reply], number: int) -> bytes:
    """The body of an answer that is not streamed."""
    chat = ask.messages is not None
    choices = [
        {"index": index, "finish_reason": reply.finish_reason, "logprobs": None}
        | ({"message": {"role": "assistant", "content": reply.text}} if chat else {"text": reply.text})
        for index, reply in enumerate(replies)
    ]
    prompt, completion = len(ask.text.split()), sum(len(reply.tokens) for reply in replies)
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    kind = "chat.completion" if chat else "text_completion"
    return _encoder.encode({**_head(ask, number, kind), "choices": choices, "usage": usage})


def chunks(ask: Ask, replies: list[Reply], number: int) -> Iterator[bytes]:
    """The events of a streamed answer, one for each token, then `[DONE]`."""
    chat = ask.messages is not None
    head = _head(ask, number, "chat.completion.chunk" if chat else "text_completion")
    for index, reply in enumerate(replies):
        for place, token in enumerate(reply.tokens):
            role = {"role": "assistant"} if place == 0 else {}
            said: dict[str, Any] = {"delta": {**role, "content": token}} if chat else {"text": token}
            yield _event({**head, "choices": [{"index": index, "finish_reason": None, **said}]})
        ended: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
        yield _event({**head, "choices": [{"index": index, "finish_reason": reply.finish_reason, **ended}]})
    yield b"data: [DONE]\n\n"


def _head(ask: Ask, number: int, kind: str) -> dict[str, Any]:
    return {
        "id": f"simulated-{number}",
        "object": kind,
        "created": 0,
        "model": ask.model,
        "system_fingerprint": FINGERPRINT,
    }


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + _encoder.encode(value) + b"\n\n"
