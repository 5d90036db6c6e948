"""The folder that `tipstaff observe` writes: again and again, but never over what somebody has changed."""

from hashlib import sha256
from pathlib import Path

import msgspec

NOTE = ".written.json"
"""File name -> digest of what was written there last."""


def write(folder: Path, made: dict[str, str], *, force: bool) -> list[str]:
    """Write them all; or, unless `force`, none where somebody has changed some since: those. Raises OSError."""
    written = _noted(folder / NOTE)
    edited = (
        [] if force else [name for name, text in made.items() if _edited(folder / name, text, written.get(name))]
    )
    if edited:
        return edited
    for name, text in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / NOTE).write_bytes(msgspec.json.encode({name: _digest(text) for name, text in made.items()}))
    return []


def _edited(path: Path, text: str, written: str | None) -> bool:
    """Whether what stands there is neither what was written nor what is to be."""
    if not path.exists():
        return False
    there = path.read_text(encoding="utf-8")
    return there != text and _digest(there) != written


def _noted(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
