"""A data folder of an older format, steps that change it file by file, and processes that die while they do it.

As a module it is such a process: see `main`.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from gateway.datafolder import prepare
from gateway.layout import DataFolder
from gateway.migration import migrate

OLD, NEW = 1, 3
DIED = 9
COUNTERS = 6
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = {"os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.utime"}


def _rewritten(data: DataFolder, before: bytes, after: bytes) -> None:
    """One file after the other, in its place: whoever dies in between leaves some of each."""
    for path in sorted(data.counters.iterdir()):
        content = path.read_bytes()
        assert content.startswith(before), path
        path.write_bytes(after + content.removeprefix(before))


STEPS = {
    1: lambda data: _rewritten(data, b"one", b"two"),
    2: lambda data: _rewritten(data, b"two", b"three"),
}


def old_folder(root: Path, *, kilobytes: int, segments: int = 2) -> DataFolder:
    """A folder of format `OLD` with so much in each of its segments."""
    data = DataFolder(root)
    for folder in (
        data.counters,
        data.locks,
        data.texts / "scorer-0",
        data.statuses,
        data.log / "exchanges" / "proxy-0",
    ):
        folder.mkdir(parents=True, mode=0o700)
    data.format.write_text(f"{OLD}\n")
    for path in (data.lock, data.process_lock("proxy-0")):
        path.touch()
    for number in range(COUNTERS):
        data.counter_file(f"proxy-{number}").write_bytes(b"one" + bytes([number]) * 700)
    for number in range(segments):
        for folder in (data.texts / "scorer-0", data.log / "exchanges" / "proxy-0"):
            (folder / f"{number:020d}.sqlite").write_bytes(os.urandom(1024) * kilobytes)
    (data.texts / "scorer-0" / f"{0:020d}.sqlite-wal").write_bytes(b"not yet in the segment")
    data.mark("scorer-0").write_text("in hand")
    return data


def content(root: Path) -> dict[str, str]:
    """What is in each file, by its name; without locks, and without what the migration itself notes."""
    data = DataFolder(root)
    left_out = {data.lock, data.migrated, *data.locks.glob("*")}
    paths = (path for path in root.rglob("*") if path.is_file() and path not in left_out)
    return {str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest() for path in paths}


def beside(root: Path) -> set[str]:
    """Names of all that lies in the folder above."""
    return {path.name for path in root.parent.iterdir()}


def next_start(root: Path) -> None:
    """What the next process of the new version does with the folder before anything else."""
    prepare(DataFolder(root), lambda _line: None, steps=STEPS, target=NEW)


class Dying:
    """Runs migrations that do not live to their end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["Dying"]:
        """A process that forks for each of them."""
        with _module("deaths") as process:
            yield cls(process)

    def at(self, root: Path, change: int) -> bool:
        """Let one end itself, as by kill -9, before so many changes to the disk; False: there were not so many."""
        self._asked(f"{change} {root}")
        return self._ended() == DIED

    def after(self, root: Path, seconds: float | None) -> float | None:
        """Kill -9 one after `seconds`; None when it died of that, else how long it took."""
        watch = os.pidfd_open(self._asked(f"-1 {root}"))
        began = time.monotonic()
        if not select.select([watch], [], [], seconds)[0]:
            signal.pidfd_send_signal(watch, signal.SIGKILL)
        took = time.monotonic() - began
        os.close(watch)
        return took if self._ended() == 0 else None

    def _ended(self) -> int:
        code = self._asked("end")
        assert code in (0, DIED, -signal.SIGKILL)
        return code

    def _asked(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def migrating(root: Path, how: str = "through") -> Iterator[subprocess.Popen[str]]:
    """A process that migrates `root`; see `main`."""
    with _module(how, str(root)) as process:
        yield process


def line_with(words: str, process: subprocess.Popen[str]) -> str:
    """The next line of its output that has them."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(f"it ended and never said {words!r}")


@contextmanager
def _module(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.support.migrating", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _said(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _until_told(data: DataFolder) -> None:
    """A step that goes on when a line comes."""
    sys.stdin.readline()
    STEPS[1](data)


def _die_before(change: int) -> None:
    left = change

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in _CHANGES or (event == "open" and _writes(arguments[2])):
            left -= 1
            if left < 0:
                os._exit(DIED)

    sys.addaudithook(look)


def _writes(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & _WRITING)


def _forked(change: int, root: Path) -> int:
    """Its pid."""
    child = os.fork()
    if child == 0:
        if change >= 0:
            _die_before(change)
        migrate(DataFolder(root), lambda _line: None, steps=STEPS, target=NEW)
        os._exit(0)
    return child


def main(how: str, *words: str) -> None:
    """`through FOLDER`: migrate it. `slowly FOLDER`: the same, but the first step waits for a line.

    `deaths`: for each line of a number and a folder, a process that dies before that change (-1: that lives); says
    its pid, and after a further line its exit code.
    """
    match how:
        case "through":
            migrate(DataFolder(Path(words[0])), _said, steps=STEPS, target=NEW)
        case "slowly":
            migrate(DataFolder(Path(words[0])), _said, steps={**STEPS, 1: _until_told}, target=NEW)
        case "deaths":
            for line in sys.stdin:
                change, root = line.rstrip("\n").split(" ", 1)
                child = _forked(int(change), Path(root))
                _said(str(child))
                sys.stdin.readline()
                _said(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


if __name__ == "__main__":
    main(*sys.argv[1:])
