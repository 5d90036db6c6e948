"""The configuration in force: a file in the data folder from which every supervised process starts.

What people edit is read at a start and at a reload, never in between: a process that dies is started again from
what was in force, constitution included, whatever stands in their files by then. Secrets are not copied: the
settings name their files.
"""

from hashlib import sha256
from pathlib import Path

import msgspec

from gateway import atomicfile
from gateway.configfile import load
from gateway.layout import DataFolder
from gateway.settings import ConfigError, Settings

_DIGITS = 16


class Loading(msgspec.Struct, frozen=True):
    """What became of the last start or reload. `source`: the file that people edit; times are microseconds.

    `since_us`: when the settings in force were taken. `problems`: why those of `tried_us` were refused; empty where
    they are the ones in force.
    """

    source: str
    since_us: int
    tried_us: int
    problems: tuple[str, ...] = ()


class ConfigInForce:
    """The files under `data.configurations`. The supervisor writes them, whoever asks reads them."""

    def __init__(self, data: DataFolder) -> None:
        self.path = data.configurations / "settings.json"
        """A configuration file like any other, with nothing left to the environment."""
        self._folder = data.configurations
        self._loading = data.configurations / "loading.json"

    def take(self, source: Path, settings: Settings, now_us: int) -> None:
        """Put `settings` in force, durably and at one stroke. Raises OSError, and ConfigError for a constitution
        that cannot be read; then those before it are still in force.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        kept = None
        if settings.constitution is not None:
            kept = self._keep(settings.constitution)
            settings = settings.model_copy(update={"constitution": kept})
        written = settings.model_dump_json(by_alias=True, exclude_unset=True, indent=1)
        atomicfile.replace(self.path, written.encode(), durable=True)
        self._say(Loading(str(source), now_us, now_us))
        for other in self._folder.glob("constitution-*.yaml"):
            if other != kept:
                other.unlink()

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

    def _keep(self, constitution: Path) -> Path:
        try:
            content = constitution.read_bytes()
        except OSError as error:
            raise ConfigError([f"constitution: {constitution} cannot be read ({error.strerror})"]) from error
        kept = self._folder / f"constitution-{sha256(content).hexdigest()[:_DIGITS]}.yaml"
        if not kept.exists():
            atomicfile.replace(kept, content, durable=True)
        return kept.resolve()
