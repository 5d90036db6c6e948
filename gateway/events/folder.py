"""Where a producer's part of a stream lies: <stream>/<producer>/<first sequence>.sqlite."""

import os
from pathlib import Path

from gateway.atomicfile import sync
from gateway.events.schema import Stream

_SUFFIX = ".sqlite"
_ASIDE = ".corrupt"
PART = ".part"
"""Behind the name of a segment: what gateway.events.rewrite makes of it, until it is whole."""
_COMPANIONS = ("-wal", "-shm", "-journal")


class ProducerFolder:
    """Names of the files of one producer in one stream; the segments are named by their first sequence."""

    def __init__(self, root: Path, stream: Stream, producer: str) -> None:
        self.stream: Stream = stream
        self.producer = producer
        self.path = root / stream / producer
        self.tip = self.path / "tip"
        self.losses = self.path / "losses.json"

    def make(self) -> None:
        """Create it, durably, readable for its owner only."""
        if self.path.is_dir():
            return
        self.path.mkdir(parents=True, mode=0o700, exist_ok=True)
        for parent in (self.path.parent, self.path.parent.parent):
            sync(parent)

    def segment(self, first: int) -> Path:
        """The segment whose first event has that sequence."""
        return self.path / f"{first:020d}{_SUFFIX}"

    def segments(self) -> list[int]:
        """First sequences of the segments there are now, ascending; empty when there is no folder."""
        try:
            with os.scandir(self.path) as entries:
                names = [entry.name for entry in entries]
        except FileNotFoundError:
            return []
        return sorted(int(name[:20]) for name in names if name.endswith(_SUFFIX) and name[:20].isdigit())

    def unlink(self, first: int) -> None:
        """Remove a segment and what SQLite keeps beside it."""
        path = self.segment(first)
        path.unlink(missing_ok=True)
        _unlink_companions(path)

    def set_aside(self, first: int) -> Path:
        """Take a damaged segment out of service under a name that no reader opens; returns that name."""
        path = self.segment(first)
        aside = path.with_name(path.name + _ASIDE)
        path.replace(aside)
        aside.touch()  # its age counts from now
        wal = path.with_name(path.name + "-wal")
        if wal.exists():
            wal.replace(aside.with_name(aside.name + "-wal"))
            aside.with_name(aside.name + "-wal").touch()
        _unlink_companions(path)
        return aside

    def bytes(self, first: int) -> int:
        """What a segment takes on disk, with what SQLite keeps beside it; 0 when it is gone."""
        path = self.segment(first)
        return sum(_size(path.with_name(path.name + suffix)) for suffix in ("", "-wal"))

    def sweep(self, now_us: int, aside_seconds: float) -> None:
        """Remove what late readers left beside segments that are gone, and what was set aside long ago."""
        for path in self.path.glob(f"*{_SUFFIX}?*"):
            main, dash, _ = path.name.rpartition("-")
            if _ASIDE in path.name:
                if now_us / 1e6 - path.stat().st_mtime >= aside_seconds:
                    path.unlink(missing_ok=True)
            elif PART in path.name or (dash and not path.with_name(main).exists()):
                path.unlink(missing_ok=True)


def producers(root: Path, stream: Stream) -> list[str]:
    """Who has ever written to the stream."""
    try:
        with os.scandir(root / stream) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []


def _unlink_companions(path: Path) -> None:
    for companion in _COMPANIONS:
        path.with_name(path.name + companion).unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
