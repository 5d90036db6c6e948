"""Every operation of the admin API, asked for what its description allows and for what it does not."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_reload import settings
from tests.support.components import ComponentUse, requires
from tests.support.people import question
from tests.support.simulated import simulated
from tests.support.stack import Stack

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
EXAMPLES, SEED = 40, 20_260_301


@requires("schemathesis")
@pytest.mark.timeout(600)
def test_no_answer_is_a_5xx_nor_one_that_is_not_described(components: ComponentUse, tmp_path: Path) -> None:
    """But for a reload, which begins the API anew: tests/e2e/test_reload.py has that."""
    with simulated("acme/v1") as (server,), Stack(tmp_path, **settings(server)) as stack:
        for _ in range(5):
            stack.client.post("/v1/chat/completions", json=question("assistant")).raise_for_status()
        stack.settled()
        ended = subprocess.run(
            [
                *(components.path("schemathesis"), "-m", "schemathesis.cli", "run"),
                f"http://127.0.0.1:{stack.admin_port}/api/v1/openapi.json",
                *("--checks", ",".join(CHECKS), "--exclude-path", "/api/v1/config/reload"),
                *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--phases", "examples,coverage,fuzzing"),
                *("--no-color", "--warnings", "off"),
            ],
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
            cwd=tmp_path,
        )
        assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
        assert stack.admin.get("/livez").status_code == 200
        print(ended.stdout[-1500:])
