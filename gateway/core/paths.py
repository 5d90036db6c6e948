"""Which routes users have. A list of what passes: whatever is not in it is unknown, in every spelling.

Paths are compared byte for byte as they came: no decoding, no joining of slashes, no lower-casing. So the path that
was allowed is the path that is sent on, and an engine's route cannot hide in another spelling of it.

Listed is what vLLM 0.32 serves to users. Left out on purpose: what operates the engine (sleep, LoRA, weights,
rpc, profiles, caches, metrics, docs), and the routes that generate text in a shape nobody here reads
(`/invocations`, `/inference/v1/generate`, `/cohere/v2/chat`): their answers would reach users unscored.
"""

import re
import sys
from enum import StrEnum
from urllib.parse import unquote

import msgspec

from gateway.core.errors import GatewayError, forbidden_route, malformed, method_not_allowed, too_large
from gateway.core.exchange import Route
from gateway.core.feedback import BODY_BYTES


class Serves(StrEnum):
    """Who answers a route."""

    MODEL = "model"
    """The arm of the model that the body names."""
    RESPONSE = "response"
    """The endpoint that made the response `subject`."""
    ANY = "any"
    """Any endpoint: a preflight (OPTIONS) names no model."""
    MODELS = "models"
    """The gateway: all models."""
    MODEL_CARD = "model_card"
    """The gateway: the model `subject`."""
    LIVEZ = "livez"
    READYZ = "readyz"
    HEALTH = "health"
    FEEDBACK = "feedback"
    """The gateway: what is said of exchanges."""

    @property
    def local(self) -> bool:
        """True when the gateway answers by itself."""
        return self not in _FORWARDED


_FORWARDED = frozenset({Serves.MODEL, Serves.RESPONSE, Serves.ANY})


class Resolved(msgspec.Struct, frozen=True):
    """A request target that passes.

    `target` is what to send on: path and query, origin-form. `template` names the route in metrics.
    `subject`: the response id or the model's name in the path. `body_bytes`: bound of this route's own on a body.
    """

    route: Route
    serves: Serves
    path: str
    target: str
    template: str
    subject: str = ""
    body_bytes: int = sys.maxsize

    def too_large(self, limit: int) -> GatewayError:
        """For a body over `limit` (`limits.body_bytes`) or over the route's own bound."""
        if limit <= self.body_bytes:
            return too_large(limit)
        return too_large(self.body_bytes, f"Send less at a time to {self.path}.")


class _Entry(msgspec.Struct, frozen=True):
    route: Route
    serves: Serves
    methods: frozenset[str]
    template: str
    body_bytes: int = sys.maxsize


_POST = frozenset({"POST", "OPTIONS"})
_GET = frozenset({"GET", "HEAD", "OPTIONS"})

_POSTED = {
    "/v1/chat/completions": Route.CHAT,
    "/v1/chat/completions/batch": Route.CHAT,
    "/v1/completions": Route.COMPLETIONS,
    "/v1/responses": Route.RESPONSES,
    "/v1/messages": Route.MESSAGES,
    "/v1/messages/count_tokens": Route.OTHER,
    "/v1/embeddings": Route.OTHER,
    "/v2/embed": Route.OTHER,
    "/score": Route.OTHER,
    "/v1/score": Route.OTHER,
    "/generative_scoring": Route.OTHER,
    "/v1/systemone": Route.OTHER,
    "/rerank": Route.OTHER,
    "/v1/rerank": Route.OTHER,
    "/v2/rerank": Route.OTHER,
    "/classify": Route.OTHER,
    "/pooling": Route.OTHER,
    "/tokenize": Route.OTHER,
    "/detokenize": Route.OTHER,
    "/v1/audio/transcriptions": Route.OTHER,
    "/v1/audio/translations": Route.OTHER,
}

_OWN = {
    "/livez": Serves.LIVEZ,
    "/readyz": Serves.READYZ,
    "/health": Serves.HEALTH,
    "/tipstaff/v1/health": Serves.HEALTH,
}

_FEEDBACK = "/tipstaff/v1/feedback"

_TABLE = {
    **{path: _Entry(route, Serves.MODEL, _POST, path) for path, route in _POSTED.items()},
    **{path: _Entry(Route.OTHER, serves, _GET, path) for path, serves in _OWN.items()},
    "/v1/models": _Entry(Route.MODELS, Serves.MODELS, _GET, "/v1/models"),
    _FEEDBACK: _Entry(Route.OTHER, Serves.FEEDBACK, frozenset({"POST"}), _FEEDBACK, BODY_BYTES),
}

_CARD = _Entry(Route.MODELS, Serves.MODEL_CARD, _GET, "/v1/models/{model}")
_RESPONSE = _Entry(Route.OTHER, Serves.RESPONSE, _GET, "/v1/responses/{id}")
_CANCEL = _Entry(Route.OTHER, Serves.RESPONSE, _POST, "/v1/responses/{id}/cancel")

_MODELS_PREFIX = "/v1/models/"
_RESPONSE_PATH = re.compile(r"/v1/responses/([A-Za-z0-9_][A-Za-z0-9_.:-]{0,255})(/cancel)?", re.ASCII)
_ABSOLUTE = re.compile(r"https?://[^/?#]+", re.ASCII | re.IGNORECASE)
_UNSENDABLE = re.compile(r"[^\x21-\x7e]|#")


def resolve(method: str, target: str) -> Resolved:
    """The route that `target`, as it stood in the request line, asks for.

    Raises GatewayError: 400 for a target that is no URL, 404 for an unknown path, 405 for a wrong method.
    """
    if _UNSENDABLE.search(target):
        raise malformed("the request target has a blank, control, non-ASCII or '#' character")
    origin = _origin_form(target)
    path, _, _ = origin.partition("?")
    entry, subject = _find(path)
    if method not in entry.methods:
        raise method_not_allowed(method, path, entry.methods)
    serves = Serves.ANY if method == "OPTIONS" else entry.serves
    return Resolved(entry.route, serves, path, origin, entry.template, subject, entry.body_bytes)


def templates() -> tuple[str, ...]:
    """Every route's name, as `Resolved.template` gives it."""
    return (*_TABLE, _CARD.template, _RESPONSE.template, _CANCEL.template)


def _origin_form(target: str) -> str:
    """Path and query; `http://host/path` (absolute-form) loses its host, which names this gateway anyhow."""
    if target.startswith("/"):
        return target
    match = _ABSOLUTE.match(target)
    if match is None:
        raise malformed("the request target is neither a path nor an http URL")
    rest = target[match.end() :]
    return rest if rest.startswith("/") else f"/{rest}"


def _find(path: str) -> tuple[_Entry, str]:
    entry = _TABLE.get(path)
    if entry is not None:
        return entry, ""
    match = _RESPONSE_PATH.fullmatch(path)
    if match is not None:
        return (_CANCEL if match[2] else _RESPONSE), match[1]
    if path.startswith(_MODELS_PREFIX) and len(path) > len(_MODELS_PREFIX):
        # Never sent on, only compared with names: so it may be encoded, and hold the slash of `org/name`.
        return _CARD, unquote(path.removeprefix(_MODELS_PREFIX), errors="replace")
    raise forbidden_route(path)
