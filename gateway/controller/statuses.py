"""What the proxies say of themselves, read from their files."""

from collections.abc import Container
from pathlib import Path

import msgspec
import structlog

from gateway.core.status import ProxyStatus
from gateway.ports import Clock

log = structlog.get_logger(__name__)

STALE_US = 5_000_000
"""A proxy writes once a second; one that has not for this long is not to be believed."""


class Statuses:
    """The status files in one folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def read(self) -> list[ProxyStatus]:
        """Every proxy's last word, also of those that ended, by name. A file that is none is passed over."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=ProxyStatus))
            except (OSError, msgspec.DecodeError) as error:
                log.warning("status file cannot be read", path=str(path), error=str(error))
        return found

    def trouble(self, process: str) -> str:
        """Why a process gets nowhere just now; empty when it does, or when it never says."""
        try:
            return (self._folder / f"{process}.trouble").read_text(errors="replace")
        except OSError:
            return ""

    def age_seconds(self, status: ProxyStatus) -> float:
        """How long ago it was written."""
        return max(self._clock.now_us() - status.written_at_us, 0) / 1e6

    def silences(self, wanted: Container[str]) -> dict[str, float]:
        """Seconds since each of the `wanted` proxies last said anything; of those that ever did."""
        return {each.process: self.age_seconds(each) for each in self.read() if each.process in wanted}

    def stale(self, status: ProxyStatus) -> bool:
        """True when it is too old to be believed."""
        return self._clock.now_us() - status.written_at_us > STALE_US
