"""The chart's README: every value with its default and what values.yaml says of it above it."""

import re
from collections.abc import Iterator

from tests.support.chart import CHART

_LINE = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z]+):(?: (?P<value>.+))?$")
_HEAD = """\
# The chart of tipstaff

How to use it: [docs/kubernetes.md](../../docs/kubernetes.md). Whole sets of values: [examples](examples). This page
is written from `values.yaml`, by TIPSTAFF_WRITE_GOLDEN=1 and the chart's tests.

| value | default | what it is |
| --- | --- | --- |
"""


def readme() -> str:
    """What belongs into README.md."""
    rows = (f"| `{path}` | {default} | {words} |\n" for path, default, words in _values())
    return _HEAD + "".join(rows)


def _values() -> Iterator[tuple[str, str, str]]:
    """Path, default and words of each; what has values below it stands there only if something is said of it."""
    above: list[str] = []
    comment: list[str] = []
    for line in (CHART / "values.yaml").read_text().splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.lstrip("# ").strip())
        elif found := _LINE.match(line):
            above = [*above[: len(found["indent"]) // 2], found["key"]]
            if found["value"] or comment:
                default = f"`{found['value']}`" if found["value"] else ""
                yield ".".join(above), default, " ".join(comment).replace("|", "\\|")
            comment = []
        else:
            comment = []
