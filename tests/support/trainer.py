"""Code that runs in the environment that has torch and transformers."""

import subprocess
from pathlib import Path

from tests.support.components import ComponentUse

TIPSTAFF = "import sys; from gateway.cli import main; sys.argv[0] = 'tipstaff'; main()"
_ROOT = Path(__file__).parents[2]
_DEADLINE = 240


def run(components: ComponentUse, code: str, *words: object) -> subprocess.CompletedProcess[str]:
    """`code` with `words` as its arguments, to its end."""
    return subprocess.run(
        [components.path("trainer"), "-c", code, *map(str, words)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
