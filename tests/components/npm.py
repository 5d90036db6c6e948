"""Packages of the npm registry, unpacked as they are: no script of theirs runs, and nothing comes along."""

import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.vllm import cache_folder, is_complete
from tests.components.cache import build
from tests.components.command import run
from tests.components.component import Missing

FETCH_DEADLINE = 120.0


@dataclass(frozen=True, slots=True)
class NpmPackage:
    """`integrity`: what the registry publishes of this version. Found: `file`, as the package has it."""

    name: str
    version: str
    integrity: str
    file: str

    def find(self) -> Path | None:
        folder = cache_folder() / self._key()
        return folder / "package" / self.file if is_complete(folder) else None

    def install(self) -> None:
        if not shutil.which("npm"):
            raise Missing("no npm on PATH: install Node 20 or newer (Debian: apt-get install npm)")
        build(self._key(), self._install)

    def _key(self) -> str:
        return f"{self.name}-{self.version}"

    def _install(self, folder: Path) -> None:
        wanted = f"{self.name}@{self.version}"
        packed = ("npm", "pack", "--json", "--silent", "--pack-destination", folder, wanted)
        (told,) = json.loads(run(packed, FETCH_DEADLINE))
        if told["integrity"] != self.integrity:
            raise Missing(f"{wanted} is not what it was: {told['integrity']}, and {self.integrity} was expected")
        archive = folder / told["filename"]
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        archive.unlink()
