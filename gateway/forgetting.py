"""One person's text and hash, out of everything that tipstaff keeps: what the processes tell one another about it.

The hash becomes a pseudonym, random and kept by nobody beside it: the numbers stay, and so does the evidence, but
they are nobody's. Each process changes its own files only, in this order, and a kill anywhere leaves the rest to be
done:

1. The controller writes a request: the hashes and their pseudonyms, and up to when.
2. Once it has taken in every verdict of an exchange from before then, it says up to which time of each model the
   hash becomes the pseudonym, and which exchanges those are; its own files follow before it takes in another
   verdict. From that on, whoever replays the verdicts comes to the same decisions.
3. Proxies close what they have of raw records, which go as soon as they are scored; the scorer deletes texts and
   changes verdicts. Each says when it is done.
4. The controller writes how it ended in the request's place. No hash is left.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
import structlog

from gateway import atomicfile
from gateway.events.schema import VerdictV1
from gateway.layout import DataFolder

log = structlog.get_logger(__name__)

_REQUEST, _EXCHANGES, _DID, _DONE = ".json", ".exchanges", ".did", ".done"
_WORD = 1 << 64


class Request(msgspec.Struct, frozen=True):
    """`units`: hash -> pseudonym, 16 bytes each, in hex. `asked_us`: what came before is to go. `until_us`: by
    model, canonical time up to which a hash becomes its pseudonym (None: not known yet). `veil`: hides where the
    hash had put them; it goes with the request.
    """

    name: str
    units: dict[str, str]
    asked_us: int
    actor: str
    veil: str
    until_us: dict[str, int] | None = None

    @property
    def decided(self) -> bool:
        """Whether it is known which exchanges it is about."""
        return self.until_us is not None

    @property
    def renames(self) -> dict[bytes, bytes]:
        """Hash -> pseudonym."""
        return {bytes.fromhex(unit): bytes.fromhex(to) for unit, to in self.units.items()}

    def limit_us(self, model: str) -> int:
        """The canonical time up to which an exchange of the model is one of those."""
        return (self.until_us or {}).get(model, self.asked_us)

    def renamed(self, event: VerdictV1) -> VerdictV1:
        """The verdict as a pseudonym's, if it is one of those; else as it is.

        Its bucket follows from the hash and a salt, so another one takes its place: the same one for the same.
        """
        assignment = event.assignment
        to = self.units.get(assignment.unit_hash.hex())
        if to is None or event.time_us > self.limit_us(event.model):
            return event
        drawn = blake2b(repr(assignment.bucket).encode(), digest_size=8, key=bytes.fromhex(self.veil)).digest()
        hidden = msgspec.structs.replace(
            assignment, unit_hash=bytes.fromhex(to), bucket=int.from_bytes(drawn, "big") / _WORD
        )
        return msgspec.structs.replace(event, assignment=hidden)


class Ended(msgspec.Struct, frozen=True):
    """What became of one. Nothing in it leads back to the person."""

    name: str
    asked_us: int
    ended_us: int
    exchanges: int


class ForgettingFolder:
    """The requests of a data folder. The controller writes them, the other processes say when they are done."""

    def __init__(self, data: DataFolder) -> None:
        self._root = data.forgetting

    def used(self) -> bool:
        """Whether there may be one: False only where there has never been any. Cheap."""
        try:
            return self._root.exists()
        except OSError:  # whoever looks for them finds it too, and tells
            return True

    def requests(self) -> list[Request]:
        """Those that are under way, the oldest first. Raises OSError."""
        return sorted(self._read(), key=lambda request: request.asked_us)

    def _read(self) -> Iterator[Request]:
        for path in self._root.glob(f"*{_REQUEST}"):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=Request)
            except FileNotFoundError:
                continue  # it has just ended

    def write(self, request: Request) -> None:
        """Make it known, or replace what was known of it; durably. Raises OSError."""
        atomicfile.replace(self._path(request.name, _REQUEST), msgspec.json.encode(request), durable=True)

    def decide(self, request: Request, exchanges: Sequence[str]) -> None:
        """Make known what it is about: those exchanges. Raises OSError."""
        atomicfile.replace(self._path(request.name, _EXCHANGES), msgspec.json.encode(exchanges), durable=True)
        self.write(request)

    def exchanges(self, request: Request) -> list[str]:
        """The ids of the exchanges that a decided one is about. Raises OSError."""
        return msgspec.json.decode(self._path(request.name, _EXCHANGES).read_bytes(), type=list[str])

    def did(self, request: Request, process: str) -> None:
        """That process has nothing of the person any more. Raises OSError."""
        atomicfile.replace(self._path(request.name, f".{process}{_DID}"), b"", durable=True)

    def done_by(self, request: Request) -> set[str]:
        """The processes that have said so."""
        found = self._root.glob(f"{request.name}.*{_DID}")
        return {path.name.removeprefix(f"{request.name}.").removesuffix(_DID) for path in found}

    def each_left(
        self, process: str, do: Callable[[Request], object], passing: tuple[type[Exception], ...]
    ) -> None:
        """Call `do` with each request that is decided and that this process has not done its part of.

        What is `passing`, an OSError or one of SQLite is told in the log, and the next call tries again.
        """
        passing = (OSError, sqlite3.Error, *passing)
        try:
            left = self.left_to(process)
        except passing as error:
            _tell(error)
            return
        for request in left:
            try:
                do(request)
            except passing as error:  # of one that another need not wait for
                _tell(error)

    def left_to(self, process: str) -> list[Request]:
        """Requests that are decided and that this process has not done its part of. Raises OSError."""
        return [each for each in self.requests() if each.decided and process not in self.done_by(each)]

    def end(self, ended: Ended) -> None:
        """Write how it ended, and remove the request. Raises OSError."""
        atomicfile.replace(self._path(ended.name, _DONE), msgspec.json.encode(ended), durable=True)
        self._path(ended.name, _REQUEST).unlink(missing_ok=True)  # first: without it, nobody begins anew
        for path in self._root.glob(f"{ended.name}.*"):
            if not path.name.endswith(_DONE):
                path.unlink(missing_ok=True)
        atomicfile.sync(self._root)

    def tidy(self) -> None:
        """Remove what a kill has left half written. For the one who writes, at the start. Raises OSError."""
        for path in self._root.glob(".*"):
            path.unlink(missing_ok=True)

    def ended(self, name: str) -> Ended | None:
        """How the request of that name ended; None: it has not, or there was none."""
        try:
            return msgspec.json.decode(self._path(name, _DONE).read_bytes(), type=Ended)
        except FileNotFoundError:
            return None

    def purge(self, before_us: int) -> int:
        """Forget what ended before then; returns how many."""
        old = [path for path in self._root.glob(f"*{_DONE}") if self._ended_us(path) < before_us]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _ended_us(self, path: Path) -> int:
        return msgspec.json.decode(path.read_bytes(), type=Ended).ended_us

    def _path(self, name: str, suffix: str) -> Path:
        return self._root / f"{name}{suffix}"


def _tell(error: Exception) -> None:
    log.warning("somebody is not forgotten yet, trying again", error=str(error))
