"""A sentence that a process leaves where whoever shows its state finds it."""

from pathlib import Path

from gateway import atomicfile


def tell(path: Path, trouble: str) -> None:
    """Why it gets nowhere; empty: it does. Where it stands already it is not written again. Raises OSError."""
    try:
        if path.read_text() == trouble:
            return
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    atomicfile.replace(path, trouble.encode(), durable=False)
