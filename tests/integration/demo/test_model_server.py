"""The simulated model behind real sockets, asked by the official client; synthetic users against it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import openai
import pytest

from gateway.clock import SystemClock
from gateway.demo.asking import Traffic
from gateway.demo.behaviour import Behaviour, Schedule, steady
from gateway.demo.model_server import ModelServer
from gateway.demo.simulated import FINGERPRINT, SimulatedModel
from gateway.demo.users import Users
from gateway.demo.wording import REFUSAL, topics

TOPIC = next(each for each in topics().values() if not each.unsafe)
PROMPT = TOPIC.prompt
QUICK = Behaviour(first_token=0.0, token=0.0)


def run(story: Callable[[ModelServer], Awaitable[None]], schedule: Schedule | None = None) -> None:
    async def body() -> None:
        async with serving(schedule or steady(QUICK)) as server:
            await asyncio.wait_for(story(server), 30)

    asyncio.run(body())


@asynccontextmanager
async def serving(schedule: Schedule) -> AsyncIterator[ModelServer]:
    server = ModelServer(SimulatedModel("simulated-m", 3), schedule, SystemClock())
    await server.start()
    try:
        yield server
    finally:
        await server.close()


def client(server: ModelServer) -> openai.AsyncOpenAI:
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    return openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", http_client=http, max_retries=0)


def test_the_official_client_streams_and_does_not() -> None:
    async def story(server: ModelServer) -> None:
        async with client(server) as asking:
            chat = asking.chat.completions
            whole = await chat.create(model="simulated-m", messages=[{"role": "user", "content": PROMPT}])
            assert whole.choices[0].message.content in TOPIC.helps
            assert whole.system_fingerprint == FINGERPRINT
            streamed = await chat.create(
                model="simulated-m", messages=[{"role": "user", "content": PROMPT}], stream=True
            )
            pieces = [chunk.choices[0].delta.content or "" async for chunk in streamed]
            assert "".join(pieces) in TOPIC.helps
            old = await asking.completions.create(model="simulated-m", prompt=PROMPT)
            assert old.choices[0].text in TOPIC.helps
            assert [model.id async for model in asking.models.list()] == ["simulated-m"]
            with pytest.raises(openai.NotFoundError):
                await chat.create(model="other", messages=[])

    run(story)


def test_it_says_that_it_is_simulated_and_what_it_does_not_know() -> None:
    async def story(server: ModelServer) -> None:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            assert (await http.get("/health")).status_code == 200
            assert FINGERPRINT in (await http.get("/version")).json()["version"]
            assert "simulated" in (await http.get("/v1/models")).text
            assert (await http.get("/metrics")).status_code == 404
            assert (await http.post("/v1/completions", content=b"{")).status_code == 400

    run(story)


def test_a_client_that_leaves_is_seen() -> None:
    async def story(server: ModelServer) -> None:
        body = {"model": "simulated-m", "prompt": PROMPT, "stream": True}
        async with (
            httpx.AsyncClient(base_url=server.url, trust_env=False) as http,
            http.stream("POST", "/v1/completions", json=body) as answer,
        ):
            await anext(answer.aiter_raw())
        while not server.aborted:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)

    run(story, steady(Behaviour(first_token=0.0, token=30.0)))


def test_it_turns_worse_when_its_time_has_come() -> None:
    async def story(server: ModelServer) -> None:
        async with client(server) as asking:
            await asking.completions.create(model="simulated-m", prompt=PROMPT)
            server.begin(Schedule(((0.0, QUICK), (0.0, Behaviour(over_refusing=1.0, first_token=0.0, token=0.0)))))
            worse = await asking.completions.create(model="simulated-m", prompt=PROMPT)
            assert worse.choices[0].text in (*TOPIC.refuses, REFUSAL)

    run(story)


def test_users_come_back_and_never_exceed_their_bound() -> None:
    async def story(server: ModelServer) -> None:
        users = Users(server.url, "simulated-m", Traffic(rate=400, users=50, most=120), SystemClock(), seed=1)
        await users.arrive(20)
        assert await users.settle(10)
        await users.close()
        assert users.statuses == {200: 120 - users.left_out}
        visits = [sum(asked.user == f"user-{number}" for asked in users.asked) for number in range(50)]
        assert visits[0] > 3 * max(visits[40:], default=0)
        assert sum(visits) == len(users.asked)
        assert all(asked.first_byte is not None for asked in users.asked)

    run(story)


def test_users_only_talk_to_this_machine() -> None:
    with pytest.raises(ValueError, match="only talk to this machine"):
        Users("http://example.org", "m", Traffic(rate=1), SystemClock(), seed=1)


def test_a_server_that_is_not_there_is_told_by_status_0() -> None:
    async def story(server: ModelServer) -> None:
        await server.close()
        users = Users(server.url, "simulated-m", Traffic(rate=100, most=5), SystemClock(), seed=1)
        await users.arrive(5)
        assert await users.settle(10)
        await users.close()
        assert users.statuses == {0: 5}

    run(story)
