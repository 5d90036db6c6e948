"""The configuration in force: a file in the data folder from which every supervised process starts.

What people edit is read at a start and at a reload, never in between: a process that dies is started again from
what was in force, whatever stands in their files by then. So the files that the settings name are copied too: the
constitution, keys and tokens, each readable by its owner alone. Not the data port's certificate, which is read
again whenever it changes.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from gateway import atomicfile
from gateway.configfile import load, named_files, with_files
from gateway.layout import DataFolder
from gateway.settings import ConfigError, Settings

_DIGITS = 16


class Loading(msgspec.Struct, frozen=True):
    """What became of the last start or reload. `source`: the file that people edit; times are microseconds.

    `since_us`: when the settings in force were taken. `problems`: why those of `tried_us` were refused; empty where
    they are the ones in force. `notes`: what of them has no effect, or an effect that may surprise.
    """

    source: str
    since_us: int
    tried_us: int
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ConfigInForce:
    """The files under `data.configurations`. The supervisor writes them, whoever asks reads them."""

    def __init__(self, data: DataFolder) -> None:
        self.path = data.configurations / "settings.json"
        """A configuration file like any other, with nothing left to the environment."""
        self._folder = data.configurations
        self._loading = data.configurations / "loading.json"

    def take(self, source: Path, settings: Settings, now_us: int, notes: Sequence[str] = ()) -> None:
        """Put `settings` in force, durably and at one stroke; `notes`: what people should know of it.

        Raises OSError, and ConfigError for a file that cannot be read: then those before are still in force.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        contents = {path: _content(name, path) for name, path in named_files(settings)}
        folder = self._folder / f"files-{_digest(settings, contents)}"
        folder.mkdir(mode=0o700, exist_ok=True)
        copies = {}
        for number, (path, content) in enumerate(contents.items()):
            copies[path] = folder.resolve() / f"{number}-{path.name}"
            atomicfile.replace(copies[path], content, durable=True)
        written = with_files(settings, copies).model_dump_json(by_alias=True, exclude_unset=True, indent=1)
        atomicfile.replace(self.path, written.encode(), durable=True)
        self._say(Loading(str(source), now_us, now_us, notes=tuple(notes)))
        for other in self._folder.glob("files-*"):
            if other != folder:
                shutil.rmtree(other)

    def refused(self, problems: list[str], now_us: int) -> None:
        """Say that a reload changed nothing, and why."""
        loading = self.loading()
        if loading is not None:
            self._say(msgspec.structs.replace(loading, tried_us=now_us, problems=tuple(problems)))

    def loading(self) -> Loading | None:
        """What became of the last start or reload; None where no supervisor has started here yet."""
        try:
            return msgspec.json.decode(self._loading.read_bytes(), type=Loading)
        except (OSError, msgspec.DecodeError):
            return None

    def settings(self) -> Settings:
        """Those in force. Raises ConfigError."""
        return load(self.path, environment={})

    def _say(self, loading: Loading) -> None:
        atomicfile.replace(self._loading, msgspec.json.encode(loading), durable=False)


def fingerprint(settings: Settings, without: frozenset[str]) -> str:
    """SHA-256 of what stands under all keys of the configuration but those, and of what is in the files they name.

    Of an encoder's folder: which files it has, and since when as they are. Raises ConfigError.
    """
    files = [(key, path) for key, path in named_files(settings) if key.partition(".")[0] not in without]
    # A file is what is in it: under a supervisor copies lie in another folder after each reload.
    contents = {path: Path(sha256(_content(key, path)).hexdigest()) for key, path in files}
    kept = with_files(settings, {path: contents.get(path, path) for _, path in named_files(settings)})
    whole = sha256(kept.model_dump_json(exclude=set(without)).encode())
    encoder = settings.scoring.encoder
    if isinstance(encoder, Path) and "scoring" not in without:
        for line in _folder(encoder):
            whole.update(line.encode())
    return whole.hexdigest()


def _folder(folder: Path) -> Iterator[str]:
    """A copy that keeps size and times of modification has another inode, or changed later."""
    try:
        for path in sorted(folder.rglob("*")):
            seen = path.lstat()
            yield f"{path.relative_to(folder)} {seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}\n"
    except OSError as error:
        raise ConfigError([f"scoring.encoder: {folder} cannot be read ({error.strerror})"]) from error


def _content(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{name}: {path} cannot be read ({error.strerror})"]) from error


def _digest(settings: Settings, contents: Mapping[Path, bytes]) -> str:
    whole = sha256(settings.model_dump_json().encode())
    for content in contents.values():
        whole.update(sha256(content).digest())
    return whole.hexdigest()[:_DIGITS]
