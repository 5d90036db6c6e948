"""`tipstaff demo --model vllm`: a rollout that an operator takes back, and the ledger, through two vLLM servers."""

from pathlib import Path

import pytest

from tests.integration.demo.test_demo import Demo
from tests.support.components import requires


@requires("vllm", "tiny-model")
@pytest.mark.timeout(600)
def test_the_story_holds_with_real_servers(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--model", "vllm", "--exit")
    assert demo.process.wait(580) == 0, demo.said
    for words in (
        "REAL vLLM",
        "START by the operator, canary 0 % -> 30 %",
        "nothing is concluded",
        "ROLL BACK by the operator, canary 30 % -> 0 %",
        "all went to stable",
        "the ledger balanced",
    ):
        assert words in demo.said, demo.said
    assert "SIMULATED" not in demo.said
