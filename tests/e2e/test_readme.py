"""The README, done as it says: from a fresh clone to two vLLM servers of one's own behind the gateway."""

import re
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.components import in_ci
from tests.support.forward import forwarded
from tests.support.ports import listening
from tests.support.vllm import SECOND_KEY, Vllm

ROOT = Path(__file__).parents[2]
PORTS = {"stable": 8001, "canary": 8002, "clients": 8080, "admin": 9191}
SERVE = "tipstaff serve config.yaml"


def blocks() -> list[str]:
    """The shell blocks of the README, in order, letter by letter."""
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def script() -> str:
    """All blocks as one person types them: the server stays in its terminal while the rest goes on in another."""
    lines = ["set -euo pipefail"]
    for block in blocks():
        if block.strip() == SERVE:
            lines += [
                f"{SERVE} > serve.out 2> serve.err &",
                "SERVE=$!",
                "trap 'kill -TERM $SERVE; wait $SERVE' EXIT",
            ]
            lines += ["timeout 120 sh -c 'until grep -q \"try it:\" serve.out; do sleep 0.2; done'"]
        else:
            lines.append(block)
    return "\n".join(lines)


@pytest.mark.timeout(900)
def test_five_minutes_after_opening_the_readme_two_servers_are_behind_it(
    vllm_pair: tuple[Vllm, Vllm], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = [port for port in PORTS.values() if listening(port)]
    if taken:
        (pytest.fail if in_ci() else pytest.skip)(f"the README's port {taken[0]} is in use on this machine")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    (clone / "canary.key").write_text(f"{SECOND_KEY}\n")
    with ExitStack() as stack:
        for port, server in zip((PORTS["stable"], PORTS["canary"]), vllm_pair, strict=True):
            stack.enter_context(forwarded(port, urlsplit(server.url).port or 0))
        start = time.monotonic()
        done = subprocess.run(
            ["bash"], input=script(), cwd=clone, capture_output=True, text=True, timeout=600, check=False
        )
        seconds = time.monotonic() - start
    shown = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{(clone / 'serve.err').read_text()[-2000:]}"
    assert done.returncode == 0, shown
    assert '"chat.completion"' in done.stdout, shown
    assert "acme/assistant-v1" in done.stdout, shown
    assert '"balanced":true' in done.stdout, shown
    assert "tipstaff_requests_total{" in done.stdout, shown
    assert "canary       25 %" in done.stdout, shown
    with capsys.disabled():
        print(f"\nfrom the README's first command to an answered request: {seconds:.0f} s")
    assert seconds < 300
