"""Heads of HTTP/1.x messages, read so that nobody can read them in another way.

A strict grammar over whole heads (RFC 9112, without what it calls obsolete). What was read before is looked up
instead of read again, since clients and servers repeat themselves: then strictness costs a dictionary look-up per
line, where a parser with callbacks costs a call. What is passed on is the line as it came.
"""

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from gateway.core import errors
from gateway.core.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_FIELDS = 256
"""Header lines in one head."""

_REMEMBERED_BYTES = 512
"""Longer lines and heads are read anew each time."""

Field = tuple[bytes, bytes]
"""A header line: name in lower case, value."""

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
OURS = b"x-tipstaff-"
"""Header names that begin so are between a client and this gateway: they never go on, either way."""

_REPLACED = frozenset({b"host", b"content-length", b"expect", b"trailer", b"x-forwarded-for"})
_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TEXT = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_TARGET = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))
_HOST = bytes(byte for byte in _TARGET if byte not in b',/?@\\"<>^`{|}')
_DIGITS = b"0123456789"
_LENGTH_DIGITS = 18
_METHOD_BYTES = 32
_NO_CONTENT = 204
_SINGLE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"x-tipstaff-admin-token",
        b"x-tipstaff-force-arm",
    }
)
_SINGLE_IN_ANSWERS = frozenset({b"content-length", b"transfer-encoding"})


class Malformed(Exception):
    """These bytes are not HTTP/1.x, or could be read in two ways; the message says where."""


class RequestHead(msgspec.Struct, gc=False):
    """A request up to its body. `target` is in origin form; `lines` are the header lines to pass on."""

    method: bytes
    target: bytes
    minor: int
    fields: dict[bytes, bytes]
    lines: list[bytes]
    length: int
    chunked: bool
    keep_alive: bool
    expects_continue: bool


class ResponseHead(msgspec.Struct, gc=False):
    """An answer up to its body. `length` is None when neither a length nor chunks delimit it.

    `passed`: status line and the header lines that go on, each with its line end. Kept in memory and shared: never
    changed.
    """

    status: int
    minor: int
    fields: dict[bytes, bytes]
    passed: bytes
    length: int | None
    chunked: bool
    keep_alive: bool
    content_type: str
    content_encoding: str


class Memory(Generic[T]):
    """What was made of short byte strings: at most `bound` of them, all forgotten when that is reached."""

    __slots__ = ("_bound", "_made", "found")

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._made: dict[bytes, T] = {}
        self.found: Callable[[bytes], T | None] = self._made.get
        """What was kept for a byte string; None when nothing was."""

    def keep(self, read: bytes, made: T) -> None:
        """Remember `made` for `read`."""
        if len(read) <= _REMEMBERED_BYTES:
            if len(self._made) >= self._bound:
                self._made.clear()
            self._made[read] = made


class HeaderLines:
    """Reads header lines, and remembers what it has read."""

    __slots__ = (
        "_bound",
        "_dropped",
        "_known",
        "_passing",
        "_single",
        "answers",
        "chunk_sizes",
        "openings",
        "request_lines",
    )

    def __init__(self, dropped: frozenset[bytes], single: frozenset[bytes], bound: int = 4096) -> None:
        self._dropped = dropped
        self._single = single
        self._bound = bound
        self._known: dict[bytes, Field] = {}
        self._passing: set[bytes] = set()
        """Those of the known lines that are passed on."""
        self.request_lines: Memory[tuple[bytes, bytes, int]] = Memory(bound)
        self.answers: Memory[ResponseHead] = Memory(bound // 16)
        self.chunk_sizes: Memory[int] = Memory(bound)
        self.openings: dict[int, bytes] = {}
        """Of plain chunks of answers, by their length with all framing: the line that states their size."""

    @classmethod
    def of_requests(cls) -> "HeaderLines":
        """For what clients send; Host, framing and addresses are written anew for the arm."""
        return cls(HOP_BY_HOP | _REPLACED, _SINGLE)

    @classmethod
    def of_answers(cls) -> "HeaderLines":
        """For what arms send."""
        return cls(HOP_BY_HOP, _SINGLE_IN_ANSWERS)

    def read(self, lines: list[bytes]) -> tuple[dict[bytes, bytes], list[bytes]]:
        """The fields of `lines[1:]` by name (repeated ones joined by a comma), and the lines to pass on."""
        if len(lines) > MAX_FIELDS:
            raise Malformed(f"more than {MAX_FIELDS} headers")
        lines = lines[1:]
        known = [field for field in map(self._known.get, lines) if field is not None]
        fields = dict(known)
        if len(fields) == len(lines):  # all known, no name twice
            return fields, [*filter(self._passing.__contains__, lines)]
        return self._read_each(lines)

    def _read_each(self, lines: list[bytes]) -> tuple[dict[bytes, bytes], list[bytes]]:
        fields: dict[bytes, bytes] = {}
        passed = []
        for line in lines:
            name, value = self._known.get(line) or self._learn(line)
            if name in fields:
                if name in self._single:
                    raise Malformed(f"more than one {name.decode()}")
                value = fields[name] + b", " + value
            fields[name] = value
            if self._passes(name):
                passed.append(line)
        return fields, passed

    def _passes(self, name: bytes) -> bool:
        return name not in self._dropped and not name.startswith(OURS)

    def _learn(self, line: bytes) -> Field:
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t"):
            raise Malformed("a folded header line")
        if not colon or not name or name.translate(None, _TOKEN):
            raise Malformed("a header line without a proper name")
        if value.translate(None, _TEXT):
            raise Malformed("a control character in a header")
        name, value = name.lower(), value.strip(b" \t")
        if name == b"host" and value.translate(None, _HOST):
            raise Malformed("a Host with characters that no host has")
        if len(line) <= _REMEMBERED_BYTES:
            self._remember(line, name, value)
        return name, value

    def _remember(self, line: bytes, name: bytes, value: bytes) -> None:
        if len(self._known) >= self._bound:
            self._known.clear()
            self._passing.clear()
        self._known[line] = (name, value)
        if self._passes(name):
            self._passing.add(line)


def check_partial(head: bytes) -> None:
    """Refuse bytes that no further ones can turn into a head: bare line ends, control characters."""
    if head.translate(None, _TEXT + b"\r\n"):
        raise Malformed("a control character in the head")
    returns = head.count(b"\r") - head.endswith(b"\r")
    if head.count(b"\n") != returns or head.count(b"\r\n") != returns:
        raise Malformed("a bare line end in the head")


def read_request(head: bytes, known: HeaderLines) -> RequestHead:
    """The request whose head is `head`, without the empty line. Raises Malformed, or GatewayError for what is
    well-formed and yet not served (another version, an upgrade, an expectation).
    """
    lines = head.split(b"\r\n")
    try:
        method, target, minor = known.request_lines.found(lines[0]) or _request_line(lines[0], known)
        fields, passed = known.read(lines)
        if minor and b"host" not in fields:
            raise Malformed("no Host")
        keep_alive = minor == 1
        if b"connection" in fields or b"upgrade" in fields:
            tokens = _tokens(fields.get(b"connection", b""))
            keep_alive = b"close" not in tokens and (keep_alive or b"keep-alive" in tokens)
            _check_upgrade(fields.get(b"upgrade"), tokens)
            passed = _without_named(passed, tokens)
        length, chunked = _framing(fields, minor)
        expects = b"expect" in fields and _expects_continue(fields[b"expect"], minor)
    except GatewayError:
        check_partial(head + b"\r\n\r\n")  # what is malformed further on is malformed, however the bytes are split
        raise
    return RequestHead(method, target, minor, fields, passed, length or 0, chunked, keep_alive, expects)


def read_answer(head: bytes, known: HeaderLines) -> ResponseHead:
    """The answer whose head is `head`, without the empty line. Raises Malformed."""
    answer = known.answers.found(head)
    if answer is None:
        answer = _read_answer(head, known)
        known.answers.keep(head, answer)
    return answer


def _read_answer(head: bytes, known: HeaderLines) -> ResponseHead:
    lines = head.split(b"\r\n")
    status, reason, minor = _status_line(lines[0])
    fields, passed = known.read(lines)
    connection = fields.get(b"connection")
    keep_alive = minor == 1
    if connection is not None:
        tokens = _tokens(connection)
        keep_alive = keep_alive and b"close" not in tokens
        passed = _without_named(passed, tokens)
    length, chunked = _framing(fields, minor)
    if status == _NO_CONTENT:
        passed = without(passed, (b"content-length",))
    block = b"\r\n".join([b"HTTP/1.1 %d %b" % (status, reason), *passed, b""])
    content_type, encoding = fields.get(b"content-type", b""), fields.get(b"content-encoding", b"")
    return ResponseHead(
        status,
        minor,
        fields,
        block,
        length,
        chunked,
        keep_alive,
        content_type.decode("latin-1"),
        encoding.decode("latin-1"),
    )


def without(lines: list[bytes], names: tuple[bytes, ...]) -> list[bytes]:
    """`lines` without those headers; `names` in lower case."""
    return [line for line in lines if line.partition(b":")[0].lower() not in names]


def _request_line(line: bytes, known: HeaderLines) -> tuple[bytes, bytes, int]:
    parts = line.split(b" ")
    if len(parts) != 3:
        raise Malformed("a request line that is not METHOD TARGET VERSION")
    method, target, version = parts
    if not method or len(method) > _METHOD_BYTES or method.translate(None, _TOKEN):
        raise Malformed("a method with characters that no method has")
    if method == b"CONNECT":
        raise errors.unsupported_upgrade("a tunnel (CONNECT)")
    if not target or target.translate(None, _TARGET):
        raise Malformed("a request target with characters that no target has")
    minor = _minor(version)
    read = (method, target if target[0] == 0x2F else _origin_form(method, target), minor)
    known.request_lines.keep(line, read)
    return read


def _minor(version: bytes) -> int:
    if version == b"HTTP/1.1":
        return 1
    if version == b"HTTP/1.0":
        return 0
    number = version[5:]
    if (
        version[:5] == b"HTTP/"
        and len(number) == 3
        and number[1] == 0x2E
        and not number.translate(None, b"0123456789.")
    ):
        raise errors.unsupported_version(version.decode())
    raise Malformed("a version that is not HTTP/1.1")


def _origin_form(method: bytes, target: bytes) -> bytes:
    if target == b"*" and method == b"OPTIONS":
        return target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise Malformed("a request target that is neither a path nor a URL")
    slash, query = rest.find(b"/"), rest.find(b"?")
    end = min(place if place >= 0 else len(rest) for place in (slash, query))
    authority, path = rest[:end], rest[end:]
    if not authority or authority.translate(None, _HOST):
        raise Malformed("a request target without a proper host")
    if not path:
        return b"*" if method == b"OPTIONS" else b"/"
    return path if path[:1] == b"/" else b"/" + path


def _status_line(line: bytes) -> tuple[int, bytes, int]:
    version, _, rest = line.partition(b" ")
    code, _, reason = rest.partition(b" ")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Malformed("an answer in another version than HTTP/1.1")
    if len(code) != 3 or code.translate(None, _DIGITS) or not 100 <= int(code) <= 999:
        raise Malformed("a status that is not three digits")
    if reason.translate(None, _TEXT):
        raise Malformed("a control character in the status line")
    return int(code), reason, version[7] - 0x30


def _check_upgrade(upgrade: bytes | None, tokens: list[bytes]) -> None:
    if upgrade is None or b"upgrade" not in tokens:
        return
    if any(protocol != b"h2c" for protocol in _tokens(upgrade)):
        raise errors.unsupported_upgrade(upgrade.decode("latin-1"))


def _expects_continue(value: bytes, minor: int) -> bool:
    if value.lower() != b"100-continue":
        raise errors.unsupported_expectation(value.decode("latin-1"))
    return minor == 1


def _framing(fields: dict[bytes, bytes], minor: int) -> tuple[int | None, bool]:
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is not None:
        if length is not None:
            raise Malformed("both Content-Length and Transfer-Encoding")
        if coding.lower() != b"chunked":
            raise Malformed("a Transfer-Encoding other than chunked")
        if minor == 0:
            raise Malformed("Transfer-Encoding in HTTP/1.0")
        return None, True
    if length is None:
        return None, False
    if not length.isdigit() or len(length) > _LENGTH_DIGITS:
        raise Malformed("a Content-Length that is not a number")
    return int(length), False


def _tokens(value: bytes) -> list[bytes]:
    if value in (b"keep-alive", b"Keep-Alive", b"close"):
        return [value.lower()]
    return [token for token in (part.strip(b" \t") for part in value.lower().split(b",")) if token]


def _without_named(lines: list[bytes], tokens: list[bytes]) -> list[bytes]:
    named = tuple(token for token in tokens if token not in (b"close", b"keep-alive", b"upgrade"))
    return without(lines, named) if named else lines
