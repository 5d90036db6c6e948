"""What a container's mounts hold, in folders of this machine, as the kubelet lays them out there.

Files of ConfigMaps and Secrets are links that lead through `..data`, which is turned to a new folder in one moment.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.chart import Object, Rendered

Secrets = Mapping[str, Mapping[str, str]]
_MODE = 0o644


def moved(text: str, folders: Mapping[str, str]) -> str:
    """`text` with the folder that stands here for each path of a mount."""
    paths = "|".join(map(re.escape, sorted(folders, key=len, reverse=True)))
    return re.sub(rf"(?<![\w/.])({paths})(?![\w-])", lambda found: folders[found[0]], text)


class Mounts:
    """`folders`: the path of each mount -> the folder that stands for it, below `root`."""

    def __init__(self, root: Path, container: Object, spec: Object) -> None:
        self._volumes = {each["name"]: each for each in spec["volumes"]}
        self._mounts: Sequence[Object] = container["volumeMounts"]
        assert not any("subPath" in each for each in self._mounts), "subPath is not known here"
        self.folders = {each["mountPath"]: str(root / each["mountPath"].lstrip("/")) for each in self._mounts}
        for folder in self.folders.values():
            Path(folder).mkdir(parents=True, exist_ok=True)

    def empty(self) -> None:
        """What a new pod finds in each `emptyDir`; a claim keeps what it has."""
        for mount in self._mounts:
            if "emptyDir" in self._volume(mount):
                folder = Path(self.folders[mount["mountPath"]])
                shutil.rmtree(folder)
                folder.mkdir()

    def fill(self, rendered: Rendered, secrets: Secrets, here: Callable[[str], str]) -> None:
        """With the files that the objects have now. `here`: a text with what its names are on this machine."""
        for mount in self._mounts:
            kind, source = self._source(self._volume(mount))
            if not kind:
                continue
            content = held(rendered, secrets, kind, source.get("name") or source["secretName"])
            files = {name: here(text) for name, text in content.items()}
            _lay_out(Path(self.folders[mount["mountPath"]]), files, source.get("defaultMode", _MODE))

    def _volume(self, mount: Object) -> Object:
        found: Object = self._volumes.get(mount["name"], {})  # a claim of the StatefulSet's is none of the pod's
        return found

    @staticmethod
    def _source(volume: Object) -> tuple[str, Mapping[str, Any]]:
        kind = next((each for each in ("configMap", "secret") if each in volume), "")
        return kind, volume.get(kind, {})


def held(rendered: Rendered, secrets: Secrets, kind: str, name: str) -> Mapping[str, str]:
    """What the ConfigMap or Secret of that name has."""
    if kind.startswith("secret"):
        return secrets[name]
    found: Mapping[str, str] = rendered.one("ConfigMap", name)["data"]
    return found


def _lay_out(folder: Path, files: Mapping[str, str], mode: int) -> None:
    made = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    made.chmod(0o755)
    for name, text in files.items():
        (made / name).write_text(text)
        (made / name).chmod(mode)
    before = (folder / "..data").resolve()
    (folder / "..turning").symlink_to(made.name)
    (folder / "..turning").replace(folder / "..data")
    _link(folder, files)
    if before.name != "..data":
        shutil.rmtree(before)


def _link(folder: Path, names: Iterable[str]) -> None:
    there = {each.name for each in folder.iterdir() if not each.name.startswith("..")}
    for name in there.difference(names):
        (folder / name).unlink()
    for name in set(names) - there:
        (folder / name).symlink_to(f"..data/{name}")
