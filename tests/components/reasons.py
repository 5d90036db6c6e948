"""Why a component could not be had: remembered by the installer, told by the tests that had to skip."""

from pathlib import Path

from gateway.demo.vllm import cache_folder


def remember(name: str, reason: str) -> None:
    _file(name).parent.mkdir(parents=True, exist_ok=True)
    _file(name).write_text(reason)


def forget(name: str) -> None:
    _file(name).unlink(missing_ok=True)


def recall(name: str) -> str:
    """The reason of the last failed installation; else what to do."""
    try:
        return _file(name).read_text()
    except FileNotFoundError:
        return "not installed yet: run `make components`"


def _file(name: str) -> Path:
    return cache_folder() / "missing" / name
