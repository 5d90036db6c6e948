"""What of a Dockerfile the tests need: its instructions in order, with continued lines joined."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

DOCKERFILE = Path(__file__).parents[2] / "helm" / "image" / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Instruction:
    word: str
    rest: str


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, its FROM first; what stands before the first FROM is left out."""
    found: list[list[Instruction]] = []
    for instruction in _instructions():
        if instruction.word == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def _instructions() -> list[Instruction]:
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    words = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [Instruction(word, rest.strip()) for word, _, rest in words]


def entry_point() -> list[str]:
    """What the image starts, before its arguments."""
    found: list[str] = json.loads(_last("ENTRYPOINT"))
    return found


def variables() -> dict[str, str]:
    """What the image sets of the environment."""
    return dict(word.split("=", 1) for word in _last("ENV").split())


def workdir() -> str:
    """Where its processes start."""
    return _last("WORKDIR")


def _last(word: str) -> str:
    (found,) = (each.rest for each in stages()[-1] if each.word == word)
    return found
