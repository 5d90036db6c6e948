"""Remembers, outside the data folder, that a data folder had a store: a lost volume is not a first start.

One small file per data path, under `$XDG_STATE_HOME/tipstaff/stores` or `~/.local/state/tipstaff/stores`.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import msgspec
import structlog

from gateway import atomicfile

log = structlog.get_logger(__name__)


class KnownStore(msgspec.Struct, frozen=True):
    """A store that was made at `data`; `created_us` in microseconds since the epoch."""

    data: str
    store_id: str
    created_us: int


def default_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Where the markers lie by the XDG base directory rules: a relative XDG_STATE_HOME does not count."""
    given = Path(environment.get("XDG_STATE_HOME", ""))
    return (given if given.is_absolute() else home / ".local" / "state") / "tipstaff" / "stores"


class KnownStores:
    """The markers in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _marker(self, data: Path) -> Path:
        return self._folder / f"{sha256(str(data.absolute()).encode()).hexdigest()[:32]}.json"

    def find(self, data: Path) -> KnownStore | None:
        """The store last made at `data`; None when there was none, or its marker cannot be read (logged)."""
        path = self._marker(data)
        try:
            return msgspec.json.decode(path.read_bytes(), type=KnownStore)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            log.warning("marker of a known store cannot be read", path=str(path), error=str(error))
            return None

    def remember(self, data: Path, store_id: str, created_us: int) -> bool:
        """Note that `store_id` lives at `data`. False, and a warning, where that cannot be written.

        Without a marker a lost volume looks like a first start, and the YAML's weights count again.
        """
        path = self._marker(data)
        known = KnownStore(str(data.absolute()), store_id, created_us)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            atomicfile.replace(path, msgspec.json.encode(known), durable=True)
        except OSError as error:
            log.warning("a lost data folder would not be noticed: no marker", path=str(path), error=str(error))
            return False
        return True
