"""Says once a second, in a file, how this proxy stands; whoever looks from outside reads that."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import structlog

from gateway import atomicfile
from gateway.core.status import ProxyStatus
from gateway.ports import Clock
from gateway.proxy.arms import Arms
from gateway.proxy.table import TableWatch

log = structlog.get_logger(__name__)

WRITE_SECONDS = 1.0

Warnings = Callable[[], Sequence[str]]
"""What a part of the proxy wants an operator to know now, a sentence each."""


class StatusFile:
    """The file of one proxy worker. `draining` says whether the data port is on its way out."""

    def __init__(
        self,
        path: Path,
        *,
        process: str,
        address: str,
        arms: Arms,
        watch: TableWatch,
        clock: Clock,
        draining: Callable[[], bool],
        warnings: Sequence[Warnings] = (),
    ) -> None:
        self._path = path
        self._process = process
        self._address = address
        self.arms = arms
        """Those that requests go to now."""
        self._watch = watch
        self._clock = clock
        self._draining = draining
        self._warnings = warnings
        self._failed = False

    def snapshot(self) -> ProxyStatus:
        """How things are now."""
        table = self._watch.table
        draining = self._draining()
        return ProxyStatus(
            process=self._process,
            written_at_us=self._clock.now_us(),
            ready=self._watch.loaded and not draining,
            draining=draining,
            address=self._address,
            store_id=table.store_id,
            table_epoch=table.epoch,
            table_version=table.version,
            arms=tuple(arm.status() for arm in self.arms.values()),
            warnings=(*self._watch.warnings, *(warning for of in self._warnings for warning in of())),
        )

    def write(self) -> None:
        """Replace the file. A disk that is full costs this report and no more: its age shows it."""
        try:
            atomicfile.replace(self._path, msgspec.json.encode(self.snapshot()), durable=False)
        except OSError as error:
            if not self._failed:
                log.warning("status not written", path=str(self._path), error=str(error))
            self._failed = True
        else:
            self._failed = False

    async def run(self) -> None:
        """Write for ever, every WRITE_SECONDS."""
        while True:
            self.write()
            await asyncio.sleep(WRITE_SECONDS)


def last_status(path: Path) -> ProxyStatus | None:
    """What the process of that file said last, in an earlier life; None when it said nothing that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ProxyStatus)
    except (OSError, msgspec.DecodeError):
        return None
