"""A `kubectl` for whoever types what a page says: `exec` and `cp` reach the processes that stand for the pods.

All else is the real program's.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.mounts import moved

_PROGRAM = """\
#!{python}
import sys
sys.path.insert(0, {root!r})
from tests.support.reach import main
main({kubectl!r}, {table!r}, sys.argv[1:])
"""
_ROOT = Path(__file__).parents[2]
Pods = Mapping[str, Mapping[str, Any]]


def write(program: Path, kubectl: Path, table: Path) -> None:
    """Make the program. `table`: JSON, namespace/pod -> folders, environment, workdir and pid of its process."""
    text = _PROGRAM.format(python=sys.executable, root=str(_ROOT), kubectl=str(kubectl), table=str(table))
    program.write_text(text)
    program.chmod(0o755)


def main(kubectl: str, table: str, words: list[str]) -> None:
    """What is typed after its name."""
    pods: Pods = json.loads(Path(table).read_text())
    namespace, rest = (words[1], words[2:]) if words[0] == "-n" else ("", words)
    match rest:
        case ["exec", pod, "--", *command]:
            _execute(pods[f"{namespace}/{pod}"], command)
        case ["cp", source, target]:
            shutil.copytree(_place(pods, namespace, source), _place(pods, namespace, target))
        case _:
            os.execv(kubectl, ["kubectl", *words])  # noqa: S606 - with the words as they are


def _execute(pod: Mapping[str, Any], command: list[str]) -> None:
    here = [moved(word, pod["folders"]) for word in command]
    here = [re.sub(r"\b(kill -\w+) 1\b", rf"\1 {pod['pid']}", word) for word in here]
    os.chdir(pod["workdir"])
    os.execvpe(here[0], here, pod["environment"])  # noqa: S606 - as `kubectl exec` does it, without a shell


def _place(pods: Pods, namespace: str, word: str) -> str:
    """POD:PATH, or a path of this machine."""
    pod, colon, path = word.partition(":")
    return moved(path, pods[f"{namespace}/{pod}"]["folders"]) if colon else word
