"""What is wrong with a file that people write, line by line."""

from collections.abc import Sequence

import msgspec


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing wrong: where (`line` from 1, `key` as a path), and what was given, was expected, would fix it."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: "
        return f"{where}{self.key}: {self.message}" if self.key else f"{where}{self.message}"


class Refused(ValueError):
    """A file was not loaded; `problems` holds every reason, in the file's order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))
