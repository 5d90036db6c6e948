"""The real vLLM servers that other tests build on do what those tests take for granted."""

import httpx
import pytest

from tests.support.vllm import FIRST_NAME, SECOND_NAME, Vllm
from tests.support.wait import until

pytestmark = pytest.mark.timeout(420)  # whoever comes first waits for two servers to start

ASKED = 30_000
TRIES = 5
"""A server whose tiny model never keeps it waiting may not look at its sockets before the last token."""


def _ask(model: str, **more: object) -> dict[str, object]:
    messages = [{"role": "user", "content": "How are you?"}]
    return {"model": model, "messages": messages, "max_tokens": 8, "ignore_eos": True, **more}


def _served(server: Vllm) -> list[str]:
    listing = httpx.get(f"{server.url}/v1/models", headers=server.headers, timeout=10).json()
    return [model["id"] for model in listing["data"]]


def test_each_server_has_one_name_of_its_own(vllm_pair: tuple[Vllm, Vllm]) -> None:
    first, second = vllm_pair
    assert _served(first) == [FIRST_NAME]
    assert _served(second) == [SECOND_NAME]


def test_the_second_server_wants_its_key(vllm_pair: tuple[Vllm, Vllm]) -> None:
    second = vllm_pair[1]
    url = f"{second.url}/v1/chat/completions"
    assert httpx.post(url, json=_ask(second.name), timeout=60).status_code == 401
    answer = httpx.post(url, json=_ask(second.name), headers=second.headers, timeout=60)
    assert answer.json()["usage"]["completion_tokens"] == 8


def test_adapters_are_further_names_on_one_server(vllm_two_names: Vllm) -> None:
    assert _served(vllm_two_names) == list(vllm_two_names.names)
    answers = {name: _greedy(vllm_two_names, name) for name in vllm_two_names.names}
    assert len(set(answers.values())) == len(answers), answers


def _greedy(server: Vllm, name: str) -> str:
    ask = {"model": name, "prompt": "hello", "temperature": 0, "max_tokens": 24, "ignore_eos": True}
    answer = httpx.post(f"{server.url}/v1/completions", json=ask, timeout=60).json()
    assert answer["model"] == name
    text: str = answer["choices"][0]["text"]
    return text


def test_an_abort_shows_in_vllm_s_own_metrics(vllm_server: Vllm) -> None:
    assert any(_aborted(vllm_server) for _ in range(TRIES))


def _aborted(vllm_server: Vllm) -> bool:
    before = vllm_server.counts()
    ask = _ask(vllm_server.name, stream=True, max_tokens=ASKED)
    with httpx.stream("POST", f"{vllm_server.url}/v1/chat/completions", json=ask, timeout=60) as answer:
        lines = answer.iter_lines()
        for _ in range(3):
            next(lines)  # no look at /metrics meanwhile: a busy vLLM answers that after the last token
    until(lambda: vllm_server.counts().running == 0, 60, "vLLM drops the request that its client left")
    after = vllm_server.counts()
    return after.finished == before.finished and 0 < after.generated - before.generated < ASKED
