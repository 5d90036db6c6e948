"""Fields of a multipart/form-data body, read strictly: what two parsers could read in two ways is refused."""

import re
from collections.abc import Iterator

import msgspec

from gateway.core.errors import GatewayError, invalid_body

PARTS = 256
PART_HEADER_BYTES = 8192

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}", re.ASCII)
_PARAMETER = re.compile(r';[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("[^"\\\r\n]*"|[^";, \t\\]+)[ \t]*', re.ASCII)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*?)[ \t]*", re.ASCII)
_FIX = 'Send it as the official clients do: one part for each field, named once in a plain name="...".'


class Part(msgspec.Struct, frozen=True):
    """One part: `body[start:end]` is its content."""

    name: str
    filename: str | None
    encoded: bool
    """It has a Content-Transfer-Encoding, so its content is not what it says."""
    start: int
    end: int


def is_multipart(content_type: str) -> bool:
    """True when a Content-Type says multipart/form-data."""
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


def parts(body: bytes, content_type: str) -> Iterator[Part]:
    """The parts in order. Raises GatewayError (400)."""
    delimiter = b"--" + _boundary(content_type)
    if not body.startswith(delimiter):
        raise _bad("the body does not start with the boundary")
    at = len(delimiter)
    for _ in range(PARTS):
        mark = body[at : at + 2]
        if mark == b"--":
            if body[at + 2 :] not in (b"", b"\r\n"):
                raise _bad("something follows the last boundary")
            return
        if mark != b"\r\n":
            raise _bad("a boundary is not alone on its line")
        end = body.find(b"\r\n" + delimiter, at)
        if end < 0:
            raise _bad("the last boundary is missing")
        yield _part(body, at + 2, end)
        at = end + 2 + len(delimiter)
    raise _bad(f"it has over {PARTS} parts")


def _bad(what: str) -> GatewayError:
    return invalid_body(f"Malformed multipart/form-data: {what}.", _FIX)


def _boundary(content_type: str) -> bytes:
    values = [value for name, value in _parameters(content_type) if name == "boundary"]
    if len(values) != 1 or _BOUNDARY.fullmatch(values[0]) is None:
        raise _bad("the Content-Type needs exactly one valid boundary")
    return values[0].encode()


def _parameters(value: str) -> list[tuple[str, str]]:
    """`; name=value` pairs with lower-case names; anything else after the first word is refused."""
    _, semicolon, rest = value.partition(";")
    text = semicolon + rest
    found, at = [], 0
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise _bad("a header parameter cannot be read")
        found.append((match[1].lower(), match[2].strip('"')))
        at = match.end()
    return found


def _part(body: bytes, start: int, end: int) -> Part:
    blank = body.find(b"\r\n\r\n", start, min(end + 4, start + PART_HEADER_BYTES))
    if blank < 0:
        raise _bad("a part has no headers, or too long ones")
    headers = _headers(body[start:blank])
    disposition = headers.get("content-disposition", "")
    if disposition.partition(";")[0].strip().lower() != "form-data":
        raise _bad("a part has no Content-Disposition: form-data")
    pairs = _parameters(disposition)
    given = dict(pairs)
    if len(given) != len(pairs) or "name" not in given or "name*" in given:
        raise _bad("a part must be named once")
    if blank + 4 > end:
        raise _bad("a part has no content, not even an empty one")
    encoded = "content-transfer-encoding" in headers
    return Part(given["name"], given.get("filename", given.get("filename*")), encoded, blank + 4, end)


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    try:
        lines = block.decode().split("\r\n")
    except UnicodeDecodeError as error:
        raise _bad("a part's headers are not UTF-8") from error
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None or match[1].lower() in headers:
            raise _bad("a part's headers are malformed or repeated")
        headers[match[1].lower()] = match[2]
    return headers
