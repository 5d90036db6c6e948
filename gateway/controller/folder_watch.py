"""Whether the data folder is still the one that this process began with: files that are open outlive it."""

import os

from gateway.layout import DataFolder


class DataFolderGone(OSError):
    """The data folder was moved, removed or replaced: what is read there is nothing, what is written is lost."""


class FolderWatch:
    """Remembers which folder it is, by its device and inode. A look costs two system calls."""

    def __init__(self, data: DataFolder) -> None:
        self.data = data
        self._began_with = self._identity()

    def check(self) -> None:
        """Raises DataFolderGone, which says what to do."""
        for trouble in self.troubles():
            raise DataFolderGone(trouble)

    def troubles(self) -> list[str]:
        """An empty list, or what is wrong."""
        if self._identity() == self._began_with and self.data.format.exists():
            return []
        what = f"data folder {self.data.root} was moved, removed or replaced while tipstaff ran"
        return [f"{what}: put it back, or stop tipstaff and start it again"]

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.data.root)  # noqa: PTH116 - the bare call
        except OSError:
            return None
        return found.st_dev, found.st_ino
