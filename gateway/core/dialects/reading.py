"""From bytes to typed values: decompression within a bound, JSON, event streams. Only DecodeError comes out."""

import zlib
from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from gateway.core.dialects.values import Body, DecodeError
from gateway.core.sse import EVENT_BYTES, Oversize, SseParser

PLAIN_BYTES: Final = 64 << 20
"""What a compressed body may grow to."""

DONE: Final = "[DONE]"

_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE: Final = -15
_MEMBERS: Final = 64
_PIECE: Final = 1 << 20

T = TypeVar("T")


def plain(body: Body, limit: int = PLAIN_BYTES) -> Body:
    """`body` without its Content-Encoding. Raises DecodeError: a coding unknown, broken, or a bomb."""
    coding = body.content_encoding.strip().lower()
    if coding in ("", "identity") or not body.content:
        return body
    if coding not in _WINDOW_BITS:
        raise DecodeError("unsupported_encoding", "a content coding other than gzip and deflate")
    try:
        content, ended = _inflated(body.content, _WINDOW_BITS[coding], limit)
    except zlib.error as error:
        if coding != "deflate":
            raise DecodeError("malformed", "the body is not what its content coding says") from error
        content, ended = _raw_inflated(body.content, limit)
    return Body(content, body.content_type, truncated=body.truncated or not ended)


def _raw_inflated(content: bytes, limit: int) -> tuple[bytes, bool]:
    """`deflate` without the zlib frame, as some servers send it."""
    try:
        return _inflated(content, _RAW_DEFLATE, limit)
    except zlib.error as error:
        raise DecodeError("malformed", "the body is not what its content coding says") from error


def _inflated(content: bytes, window_bits: int, limit: int) -> tuple[bytes, bool]:
    """The plain bytes, and whether the compressed data came to its end. Gzip members may follow one another."""
    pieces: list[bytes] = []
    size = 0
    for _ in range(_MEMBERS):
        inflater = zlib.decompressobj(window_bits)
        while content and not inflater.eof:
            piece = inflater.decompress(content, limit + 1 - size)
            size += len(piece)
            if size > limit:
                raise DecodeError("too_large", f"over {limit} bytes when decompressed")
            pieces.append(piece)
            content = inflater.unconsumed_tail
        if not inflater.eof:
            return b"".join(pieces), False
        content = inflater.unused_data
        if not content:
            return b"".join(pieces), True
    raise DecodeError("too_large", f"over {_MEMBERS} compressed members")


def json_value(decoder: msgspec.json.Decoder[T], text: bytes | str) -> T:
    """What `decoder` makes of `text`. Raises DecodeError, whose text names a place and no content."""
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DecodeError("malformed", f"not the JSON expected ({_place(error)})") from error
    except RecursionError as error:
        raise DecodeError("malformed", "JSON nested too deeply") from error


def _place(error: Exception) -> str:
    return str(error) if isinstance(error, msgspec.DecodeError) else type(error).__name__


def whole_json(decoder: msgspec.json.Decoder[T], body: Body) -> T:
    """`body` as one JSON value. Raises DecodeError: `truncated` where only a part of it was kept."""
    if body.truncated:
        raise DecodeError("truncated", "only the beginning of the JSON was kept")
    return json_value(decoder, body.content)


def is_stream(body: Body) -> bool:
    """True when the body is an event stream."""
    return body.content_type.partition(";")[0].strip().lower() == "text/event-stream"


def events(body: Body) -> Iterator[str]:
    """The data of a stream's events, up to `[DONE]`. An unfinished event at the end is left out."""
    parser = SseParser(EVENT_BYTES)
    for start in range(0, len(body.content), _PIECE):
        for event in parser.feed(body.content[start : start + _PIECE]):
            if isinstance(event, Oversize):
                raise DecodeError("too_large", f"an event of over {event.limit} bytes")
            if event.data == DONE:
                return
            yield event.data


def replies(decoder: msgspec.json.Decoder[T], body: Body) -> Iterator[T]:
    """A streamed reply's events, or the one value of a whole reply."""
    if is_stream(body):
        yield from (json_value(decoder, text) for text in events(body))
    else:
        yield whole_json(decoder, body)


def error_text(error: object) -> str:
    """The message in an error object of either dialect; "error" where it has none."""
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return str(error["message"])
    return error if isinstance(error, str) and error else "error"
