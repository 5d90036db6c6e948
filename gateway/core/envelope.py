"""What the proxy reads of a request's body: the model, whether to stream, the unit's keys. Nothing else.

JSON that two parsers could read in two ways where it decides the way of a request is refused: a routing key
that stands twice, or a body that is not one valid object in UTF-8.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, cast

import msgspec

from gateway.core import jsonscan, multipart
from gateway.core.errors import GatewayError, invalid_body

Span = tuple[int, int]

MODEL: Final = "model"
STREAM: Final = "stream"
PREVIOUS: Final = "previous_response_id"

_PLAIN: Final = "Send plain UTF-8 text without a file name."
_BULKY: Final = ("messages", "input", "prompt", "tools")
_BIG: Final = 2048
_TEXT: Final = msgspec.json.Decoder(str)
_ABSENT: Final = msgspec.Raw(b"")
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", re.ASCII)
_FIRST_KEY = re.compile(
    rb'[ \t\r\n]*\{[ \t\r\n]*"model"[ \t\r\n]*:[ \t\r\n]*("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL
)
_ONLY_KEY = re.compile(rb'"model"[ \t\r\n]*:[ \t\r\n]*("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)


class Envelope(msgspec.Struct, frozen=True):
    """What decides the way of a request.

    `units`: the values of the configured body keys that are there: a string as it is, a number or boolean as
    its JSON text (so 42 is "42"); null, "", arrays and objects are no unit. `previous_response_id`: "" for none.
    """

    model: str
    stream: bool
    units: dict[str, str]
    previous_response_id: str


class EnvelopeReader:
    """Reads envelopes with the given body keys: top-level names, or dotted ones like `metadata.user_id`.

    Raises ValueError for a key with other characters than letters, digits, `_` and `-` between its dots.
    """

    def __init__(self, body_keys: Iterable[str] = ()) -> None:
        self._units = tuple(dict.fromkeys(body_keys))
        wrong = [key for key in self._units if _KEY.fullmatch(key) is None]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no body key: expected names like user or metadata.user_id")
        self._fields = frozenset((MODEL, STREAM, PREVIOUS, *self._units))
        self._level = _Level("", [tuple(key.split(".")) for key in self._fields], _BULKY)
        self._glance = Glance(self._units)

    def read(self, body: bytes, content_type: str) -> Envelope:
        """The envelope of `body`. Raises GatewayError (400) where it cannot be read in exactly one way."""
        if content_type == "application/json" and (found := self._glance.read(body)) is not None:
            return found
        values: dict[str, str] = {}
        if content_type != "application/json" and multipart.is_multipart(content_type):
            for name, (start, end) in self._form(body, content_type).items():
                values[name] = _form_text(name, body[start:end])
        else:
            self._read_json(body, values)
        model = values.get(MODEL)
        if not model:
            raise invalid_body("The body names no model.", 'Send "model": "<name>".', param=MODEL)
        units = {key: text for key in self._units if (text := values.get(key))}
        return Envelope(model, values.get(STREAM) == "true", units, values.get(PREVIOUS, ""))

    def model_span(self, body: bytes, content_type: str) -> Span:
        """Where the model's value lies in a body that `read` took: a JSON string with its quotes, a form's text.

        What `replacement` returns can stand there instead. Raises GatewayError (400): too complex to find it.
        """
        if multipart.is_multipart(content_type):
            return self._form(body, content_type)[MODEL]
        first = _FIRST_KEY.match(body)
        if first is not None:
            return first.span(1)
        at = body.rfind(b'"model"')
        if at >= 0 and body.rfind(b'"model"', 0, at) < 0 and (only := _ONLY_KEY.match(body, at)) is not None:
            return only.span(1)
        return next((member.start, member.end) for member in _members(body) if member.key == MODEL)

    def _read_json(self, body: bytes, into: dict[str, str]) -> None:
        try:
            if not body.isascii():
                body.decode()
            self._level.read(body, into)
        except RecursionError as error:
            raise invalid_body("The JSON body is nested too deeply.", "Send it flatter.") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid_body(f"The body is not a JSON object in UTF-8: {error}.", "Send one.") from error

    def _form(self, body: bytes, content_type: str) -> dict[str, Span]:
        spans: dict[str, Span] = {}
        for part in multipart.parts(body, content_type):
            if part.name not in self._fields:
                continue
            if part.name in spans:
                raise _twice(part.name)
            if part.filename is not None or part.encoded:
                raise invalid_body(f"The form field {part.name!r} is not plain text.", _PLAIN, param=part.name)
            spans[part.name] = (part.start, part.end)
        return spans


def replacement(model: str, content_type: str) -> bytes:
    """What stands at the model's span when the arm's server knows it as `model`."""
    return model.encode() if multipart.is_multipart(content_type) else msgspec.json.encode(model)


class _Seen(msgspec.Struct):
    model: str = ""
    stream: bool = False
    previous_response_id: str = ""


class Glance:
    """Reads the bodies that leave no doubt, as nearly all do, in one pass; the rest is for `EnvelopeReader`.

    No doubt: UTF-8 without escaped ASCII, no routing key's name (in quotes) twice where keys can stand, at any
    depth, every routing key a string and `stream` a boolean.
    """

    def __init__(self, units: tuple[str, ...]) -> None:
        self._units = tuple((key, f"f{number}") for number, key in enumerate(units) if "." not in key)
        self._possible = len(self._units) == len(units)
        names = (MODEL, STREAM, PREVIOUS, *units)
        self._names = tuple(f'"{name}"'.encode() for name in names)
        fields = [(field, str, "") for _, field in self._units]
        rename = {field: key for key, field in self._units}
        struct = msgspec.defstruct("Seen", fields, bases=(_Seen,), rename=rename)
        self._decoder: msgspec.json.Decoder[_Seen] = msgspec.json.Decoder(cast("type[_Seen]", struct))

    def read(self, body: bytes) -> "Envelope | None":
        """The envelope; None when it takes a closer look."""
        if not self._possible or body.rfind(b"\\u00") >= 0:
            return None
        if max(map(body.count, self._names)) > 1 and self._maybe_twice(body):
            return None
        try:
            if not body.isascii():
                body.decode()
            found = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None  # the closer look says what is wrong
        if not found.model:
            return None
        units = {}
        for key, field in self._units:
            if text := getattr(found, field):
                units[key] = text
        return Envelope(found.model, found.stream, units, found.previous_response_id)

    def _maybe_twice(self, body: bytes) -> bool:
        """True when a routing key may stand twice: `"user",` is a value (a message's role, say), never a key."""
        return any(
            body.count(name) - sum(body.count(name + after) for after in (b",", b"}", b"]")) > 1
            for name in self._names
        )


class _Level:
    """The wanted members of one object: fast where nothing is ambiguous, exact where something might be."""

    def __init__(self, prefix: str, paths: Iterable[tuple[str, ...]], bulky: tuple[str, ...] = ()) -> None:
        below: dict[str, list[tuple[str, ...]]] = {}
        for path in paths:
            below.setdefault(path[0], []).append(path[1:])
        self._prefix = prefix
        self._names = tuple(below)
        self._wanted = tuple(
            (
                prefix + name,
                () in rests,
                _Level(f"{prefix}{name}.", deeper) if (deeper := [rest for rest in rests if rest]) else None,
            )
            for name, rests in below.items()
        )
        self._bulky = tuple(_key_pattern((name,)) for name in bulky if name not in below)
        self._keys = _key_pattern(self._names)
        self._escape = _escapes(self._names)
        every = dict.fromkeys((*below, *bulky))
        fields = {f"f{number}": name for number, name in enumerate(every)}
        struct = msgspec.defstruct("Level", [(field, msgspec.Raw, _ABSENT) for field in fields], rename=fields)
        self._decoder = msgspec.json.Decoder(struct)

    def read(self, body: bytes, into: dict[str, str]) -> None:
        """Set the texts of what is there, under dotted names. Raises GatewayError, or what msgspec raises."""
        values = msgspec.structs.astuple(self._decoder.decode(body))
        self._refuse_ambiguous(self._without_bulk(body, values) if len(body) > _BIG else body)
        for (dotted, leaf, child), value in zip(self._wanted, values, strict=False):
            if value is not _ABSENT:
                text = bytes(value)
                if leaf:
                    into[dotted] = _json_text(dotted, text)
                if child is not None and text.startswith(b"{"):
                    child.read(text, into)

    def _without_bulk(self, body: bytes, values: tuple[msgspec.Raw, ...]) -> bytes:
        """`body` with 0 for its big values, so that messages need not be searched for keys.

        Only a whole value, right behind a key, is ever cut out: no key of this object can go with it.
        """
        for key, value in zip(self._bulky, values[len(self._names) :], strict=True):
            text = bytes(value)
            if len(text) >= _BIG and (match := key.search(body)) is not None:
                start = match.end()
                if body.startswith(text, start):
                    body = body[:start] + b"0" + body[start + len(text) :]
        return body

    def _refuse_ambiguous(self, body: bytes) -> None:
        """Raise where a wanted key stands twice or is spelled with escapes; looks closer only where it might."""
        found = self._keys.findall(body)
        disguised = body.rfind(b"\\u00") >= 0 and self._escape.search(body) is not None
        if len(found) == len(set(found)) and not disguised:
            return
        seen: set[str] = set()
        for member in _members(body):
            if member.key not in self._names:
                continue
            name = self._prefix + member.key
            if member.key in seen:
                raise _twice(name)
            if member.escaped:
                raise invalid_body(f"The key {name!r} is spelled with escapes.", "Spell it plainly.", param=name)
            seen.add(member.key)


def _key_pattern(names: Iterable[str]) -> re.Pattern[bytes]:
    """Finds `"name":` and the blanks behind it. In valid JSON that is a key, or the end of one: never mere text."""
    return re.compile(rf'"({"|".join(names)})"[ \t\r\n]*:[ \t\r\n]*'.encode())


def _escapes(names: Iterable[str]) -> re.Pattern[bytes]:
    """Finds a JSON escape of any character that the names have."""
    codes = sorted({f"{ord(char):02x}" for name in names for char in name})
    return re.compile(rf"\\u00(?:{'|'.join(codes)})".encode(), re.IGNORECASE)


def _members(body: bytes) -> Iterator[jsonscan.Member]:
    try:
        yield from jsonscan.members(body)
    except jsonscan.TooComplex as error:
        fix = "Keep the names of routing keys out of nested objects, or send fewer of those."
        raise invalid_body(f"The body cannot be searched for repeated keys: {error}.", fix) from error
    except jsonscan.NotObject as error:
        raise invalid_body(f"The body is not a JSON object: {error}.", "Send valid JSON in UTF-8.") from error


def _twice(name: str) -> GatewayError:
    return invalid_body(f"The key {name!r} stands twice.", "Send it once.", param=name)


def _json_text(name: str, raw: bytes) -> str:
    """A string's text, a number's or boolean's JSON text; "" for null, arrays and objects."""
    first = raw[:1]
    if first == b'"':
        return _TEXT.decode(raw)
    if name in (MODEL, PREVIOUS) and raw != b"null":
        raise invalid_body(f"{name!r} is not a string.", f'Send "{name}": "...".', param=name)
    return "" if first in (b"n", b"{", b"[") else raw.decode()


def _form_text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise invalid_body(f"The form field {name!r} is not UTF-8.", _PLAIN, param=name) from error
