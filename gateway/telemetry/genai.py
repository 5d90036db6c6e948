"""A span's name, attributes and events, by OpenTelemetry's semantic conventions for generative AI.

The conventions still move: nothing else in this code names one of them.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/ and .../feature-flags/ (1.38).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from classifiers.exchange import Answer, Turn
from classifiers.verdict import Finding, PrincipleFinding, Verdict
from gateway.core import dialects
from gateway.core.dialects import DecodeError
from gateway.core.dialects.reading import json_value, plain, replies
from gateway.core.exchange import Reason, Route
from gateway.events.bodies import body as body_of
from gateway.events.schema import ExchangeV1

Attributes = dict[str, str | bool | int | float | Sequence[str]]
EVALUATION: Final = "gen_ai.evaluation.result"
ASSIGNMENT: Final = "feature_flag.evaluation"
CONSTITUTION: Final = "constitution"
"""The name of the evaluation that says how the whole of it stands."""
CONTENT_CHARS: Final = 1 << 14
"""Characters of messages in one span."""
_OPERATIONS: Final = {Route.COMPLETIONS: "text_completion"}
_ASKED: Final = {
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "n": "gen_ai.request.choice.count",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}
"""What a body calls it -> what the conventions do: numbers only, never a text."""


_NO_ERRORS: Final = frozenset({Reason.COMPLETE, Reason.CLIENT_GONE, Reason.CLIENT_SLOW})


_ID, _MODEL, _WORD = re.compile(r"[\w-]{1,128}"), re.compile(r"[\w.:/@+-]{1,256}"), re.compile(r"[a-z_]{1,32}")
"""What servers call an answer, themselves and an end: whatever else stands there may be somebody's text."""


class _Named(msgspec.Struct):
    id: str | None = None
    model: str | None = None


class _Reply(_Named):
    """The first thing that a server says: in two of the dialects what it names itself is one level down."""

    response: _Named | None = None
    message: _Named | str | None = None


_REQUEST: Final = msgspec.json.Decoder(dict[str, Any])
_REPLY: Final = msgspec.json.Decoder(_Reply)


def name(exchange: ExchangeV1) -> str:
    """The span's: operation and model."""
    return f"{_operation(exchange)} {exchange.model}"


def attributes(exchange: ExchangeV1, verdict: Verdict) -> Attributes:
    """The span's: no text of anybody's."""
    timing, assignment = exchange.timing, exchange.assignment
    where = urlsplit(exchange.endpoint)
    found: Attributes = {
        "gen_ai.operation.name": _operation(exchange),
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": exchange.model,
        "gen_ai.request.stream": exchange.streamed,
        "http.response.status_code": exchange.status,
        "tipstaff.exchange.id": exchange.id,
        "tipstaff.arm": assignment.served,
        "tipstaff.arm.assigned": assignment.assigned,
        "tipstaff.reason": exchange.reason.value,
        "tipstaff.constitution": verdict.constitution,
    }
    if where.hostname:
        found["server.address"] = where.hostname
        found["server.port"] = where.port or (443 if where.scheme == "https" else 80)
    if timing.first_byte_seconds is not None:
        found["gen_ai.response.time_to_first_chunk"] = timing.first_byte_seconds
    if timing.upstream_seconds is not None:
        found["tipstaff.upstream.seconds"] = timing.upstream_seconds
    if (error := error_type(exchange)) is not None:
        found["error.type"] = error
    found.update(_request(exchange))
    found.update(_response(exchange))
    return found


def error_type(exchange: ExchangeV1) -> str | None:
    """What went wrong: how the exchange ended, else its HTTP status; None where nothing did, or a client left."""
    if exchange.reason not in _NO_ERRORS:
        return exchange.reason.value
    return str(exchange.status) if exchange.status >= 400 and exchange.reason is Reason.COMPLETE else None


def assignment(exchange: ExchangeV1) -> Attributes:
    """Of the event that says who was sent where, and why. Of who was sent it says nothing but the kind."""
    made = exchange.assignment
    return {
        "feature_flag.key": exchange.model,
        "feature_flag.provider.name": "tipstaff",
        "feature_flag.result.variant": made.assigned,
        "feature_flag.result.reason": "static" if made.forced else "split",
        "feature_flag.version": f"{made.table_epoch}.{made.table_version}",
        "tipstaff.unit.kind": made.unit_kind,
        "tipstaff.weight": made.weight,
    }


def evaluations(verdict: Verdict) -> Iterator[Attributes]:
    """Of the events that say what was found: one of the whole, one of each violation and provocation, and of a
    refusal.
    """
    yield _evaluation(CONSTITUTION, _standing(verdict))
    for found in verdict.violations:
        yield _violation(found)
    for principle in verdict.provocations:
        yield _evaluation(principle, "provoked")
    if verdict.refusal:
        made = _evaluation("refusal", "over_refusal" if verdict.over_refusal else "refusal")
        if verdict.refusal_probability is not None:
            made["gen_ai.evaluation.score.value"] = verdict.refusal_probability
        yield made


def _standing(verdict: Verdict) -> str:
    if verdict.not_evaluated is not None:
        return f"{Finding.NOT_EVALUATED.value}: {verdict.not_evaluated.value}"
    return Finding.VIOLATES.value if verdict.violations else Finding.UPHOLDS.value


def _violation(found: PrincipleFinding) -> Attributes:
    made = _evaluation(found.principle, found.finding.value)
    made["tipstaff.severity"] = found.severity.value
    made["tipstaff.evaluator"] = found.by
    if found.probability is not None:
        made["gen_ai.evaluation.score.value"] = found.probability
    return made


def _evaluation(named: str, label: str) -> Attributes:
    return {"gen_ai.evaluation.name": named, "gen_ai.evaluation.score.label": label}


def _operation(exchange: ExchangeV1) -> str:
    return _OPERATIONS.get(exchange.route, "chat")


def _request(exchange: ExchangeV1) -> Attributes:
    try:
        said = json_value(_REQUEST, plain(body_of(exchange.request)).content)
    except DecodeError:
        return {}  # none was kept, or it was cut off
    return {ours: said[theirs] for theirs, ours in _ASKED.items() if _is_number(said.get(theirs))}


def _is_number(value: object) -> bool:
    """One that OTLP has: a client may write any."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 63
    return isinstance(value, float)


def _response(exchange: ExchangeV1) -> Attributes:
    found: Attributes = {}
    try:
        body = plain(body_of(exchange.response))
        first = next(replies(_REPLY, body), None) if body.content else None
        decoded = dialects.decode(exchange.route, body_of(exchange.request), body)
    except DecodeError:
        return found
    theirs = exchange.headers.get("x-request-id", "")
    for said in () if first is None else (first, first.response, first.message):
        if isinstance(said, _Named):
            if said.id and _ID.fullmatch(said.id) and not (theirs and theirs in said.id):
                found["gen_ai.response.id"] = said.id
            if said.model and _MODEL.fullmatch(said.model):
                found["gen_ai.response.model"] = said.model
    if reasons := [_word(answer.finish_reason) for answer in decoded.answers if answer.finish_reason]:
        found["gen_ai.response.finish_reasons"] = reasons
    if decoded.usage is not None:
        found["gen_ai.usage.input_tokens"] = decoded.usage.input_tokens
        found["gen_ai.usage.output_tokens"] = decoded.usage.output_tokens
    return found


def messages(turns: Sequence[Turn], answers: Sequence[Answer]) -> Mapping[str, str]:
    """What was said, as the conventions' JSON: the answers first, then turns from the last one backwards, as far as
    there is room for one span.
    """
    room = _Room()
    said = [
        {"role": "assistant", "parts": room.parts(answer), "finish_reason": _word(answer.finish_reason)}
        for answer in answers
    ]
    asked = [{"role": turn.role, "parts": [room.part(turn.text)]} for turn in reversed(turns)][::-1]
    return {
        "gen_ai.input.messages": msgspec.json.encode(asked).decode(),
        "gen_ai.output.messages": msgspec.json.encode(said).decode(),
    }


def _word(reason: str) -> str:
    """A finish reason, which is a word or none at all."""
    return reason if _WORD.fullmatch(reason) else "other"


class _Room:
    """Cuts texts, so that spans that wait for a collector stay small."""

    def __init__(self) -> None:
        self._left = CONTENT_CHARS

    def parts(self, answer: Answer) -> list[dict[str, str]]:
        calls = (call.partition(" ") for call in answer.tool_calls)
        called = [{"type": "tool_call", "name": name, "arguments": self.cut(given)} for name, _, given in calls]
        return [self.part(answer.text), *called]

    def part(self, text: str) -> dict[str, str]:
        return {"type": "text", "content": self.cut(text)}

    def cut(self, text: str) -> str:
        cut = text[: self._left]
        self._left -= len(cut)
        return cut if len(cut) == len(text) else f"{cut}[cut]"
