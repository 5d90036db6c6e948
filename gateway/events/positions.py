"""How far each consumer has read each producer: 8-byte files, for whoever purges and whoever counts.

The durable truth lies in the consumer's own log, committed with what it made of its input; these files are
published after that commit, so they may lag behind it and are never ahead.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from gateway.events.schema import Stream

_FOLDER = "positions"
_LOSSES = ".losses.json"


class PublishedPositions:
    """The position files of all consumers under a log's root."""

    def __init__(self, root: Path) -> None:
        self._root = root / _FOLDER
        self._open: dict[Path, int] = {}

    def publish(self, consumer: str, stream: Stream, positions: Mapping[str, int]) -> None:
        """Write them, each in one 8-byte write. Raises OSError when a new file finds no room."""
        for producer, position in positions.items():
            path = self._path(consumer, stream, producer)
            descriptor = self._open.get(path)
            if descriptor is None:
                path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
                self._open[path] = descriptor
            os.pwrite(descriptor, position.to_bytes(8, "little"), 0)

    def of(self, consumer: str, stream: Stream) -> dict[str, int]:
        """Producer -> position, of one consumer."""
        folder = self._root / consumer / stream
        try:
            names = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return {}
        return {name: self.position(consumer, stream, name) for name in names if _LOSSES not in name}

    def position(self, consumer: str, stream: Stream, producer: str) -> int:
        """0 for one who has not begun."""
        try:
            data = self._path(consumer, stream, producer).read_bytes()
        except FileNotFoundError:
            return 0
        return int.from_bytes(data[:8], "little")

    def losses(self, consumer: str, stream: Stream, producer: str) -> Path:
        """Where a consumer keeps the ranges that it found damaged."""
        return self._root / consumer / stream / f"{producer}{_LOSSES}"

    def consumers(self, stream: Stream) -> list[str]:
        """Everyone who has ever published a position in the stream."""
        return sorted(path.parent.name for path in self._root.glob(f"*/{stream}"))

    def close(self) -> None:
        """Close the files."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def _path(self, consumer: str, stream: Stream, producer: str) -> Path:
        return self._root / consumer / stream / producer
