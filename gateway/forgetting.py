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

from pathlib import Path

import msgspec

from gateway import atomicfile
from gateway.layout import DataFolder

_SUFFIX = ".json"
_DONE = ".done"


class Request(msgspec.Struct, frozen=True):
    """`units`: hash -> pseudonym, 16 bytes each, in hex. `asked_us`: what came before is to go. `until_us`: by
    model, canonical time up to which a hash becomes its pseudonym (None: not known yet), in the `exchanges` that
    are named.
    """

    name: str
    units: dict[str, str]
    asked_us: int
    actor: str
    until_us: dict[str, int] | None = None
    exchanges: tuple[str, ...] = ()

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

    def requests(self) -> list[Request]:
        """Those that are under way, the oldest first. Raises OSError."""
        return sorted(
            (msgspec.json.decode(path.read_bytes(), type=Request) for path in self._root.glob(f"*{_SUFFIX}")),
            key=lambda request: request.asked_us,
        )

    def write(self, request: Request) -> None:
        """Make it known, or replace what was known of it; durably. Raises OSError."""
        atomicfile.replace(self._path(request.name), msgspec.json.encode(request), durable=True)

    def did(self, request: Request, process: str) -> None:
        """That process has nothing of the person any more. Raises OSError."""
        atomicfile.replace(self._part(request.name, process), b"", durable=True)

    def left_to(self, process: str) -> list[Request]:
        """Requests that are decided and that this process has not done its part of. Raises OSError."""
        return [each for each in self.requests() if each.decided and process not in self.done_by(each)]

    def done_by(self, request: Request) -> set[str]:
        """The processes that have said so."""
        return {path.name.removeprefix(f"{request.name}.") for path in self._root.glob(f"{request.name}.*-*")}

    def end(self, request: Request, ended: Ended) -> None:
        """Write how it ended, and remove the request. Raises OSError."""
        atomicfile.replace(self._root / f"{request.name}{_DONE}", msgspec.json.encode(ended), durable=True)
        for path in [*self._root.glob(f"{request.name}.*-*"), self._path(request.name)]:
            path.unlink(missing_ok=True)
        atomicfile.sync(self._root)

    def ended(self, name: str) -> Ended | None:
        """How the request of that name ended; None: it has not, or there was none."""
        try:
            return msgspec.json.decode((self._root / f"{name}{_DONE}").read_bytes(), type=Ended)
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

    def _path(self, name: str) -> Path:
        return self._root / f"{name}{_SUFFIX}"

    def _part(self, name: str, process: str) -> Path:
        return self._root / f"{name}.{process}"
