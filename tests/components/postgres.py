"""A real PostgreSQL: Debian's, which keeps its servers in a folder of their version."""

from dataclasses import dataclass
from pathlib import Path

from tests.components.component import Missing
from tests.components.debian import install_packages

OLDEST = 14
_FOLDERS = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """Found: the folder with `initdb` and `pg_ctl`, of the newest version."""

    name: str = "postgres"

    def find(self) -> Path | None:
        there = [int(path.name) for path in _FOLDERS.glob("[0-9]*") if (path / "bin" / "initdb").exists()]
        newest = max(there, default=0)
        return _FOLDERS / str(newest) / "bin" if newest >= OLDEST else None

    def install(self) -> None:
        install_packages(("postgresql",), ("postgresql",), self.find)
        if not self.find():
            raise Missing(f"Debian's postgresql is older than {OLDEST}, or not in {_FOLDERS}")
