"""What an arm's servers say of themselves: the names they serve, their version; and the name to ask them for."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from gateway.proxy.arms import Arms
from gateway.proxy.endpoints import ArmEndpoints, Chance, Endpoint, Listing
from gateway.proxy.fetch import Fetch, Unanswered

log = structlog.get_logger(__name__)

FIRST_RETRY = 1.0
LONGEST_RETRY = 60.0
REFRESH = 30.0
"""Seconds between two looks at an arm that is known: its server may have been replaced by another version."""


class NameMismatch(Exception):
    """The server knows no model by the name it would be asked for, and it is not clear which one is meant."""


class _Listed(msgspec.Struct):
    data: list[dict[str, object]]


class _Version(msgspec.Struct):
    version: str


def served_name(model: str, configured: str, listed: Sequence[str]) -> str:
    """The name to ask a server for, whose /v1/models lists `listed`; empty: the client's own, `model`.

    `configured` is `arms.<name>.model`. A server that lists one other name is asked for that. Raises NameMismatch.
    """
    if configured:
        if listed and configured not in listed:
            raise NameMismatch(f"the server does not serve {configured!r}; it serves: {', '.join(listed)}")
        return configured
    if not listed or model in listed:
        return ""
    if len(listed) == 1:
        return listed[0]
    raise NameMismatch(
        f"the server does not serve {model!r}; set the arm's `model` to one of what it serves: {', '.join(listed)}"
    )


class Discovery:
    """Looks at every arm at the start, then again and again; sets `served_name`, `listing`, `server_version`."""

    def __init__(self, arms: Arms, fetch: Fetch, chance: Chance) -> None:
        self._arms = arms
        self._fetch = fetch
        self._chance = chance
        self._problems: dict[tuple[str, str], tuple[str, ...]] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with which arm now, a sentence each."""
        return tuple(problem for problems in self._problems.values() for problem in problems)

    async def start(self) -> tuple[str, ...]:
        """Look at every arm once, all at the same time; the mismatches, which a first start should fail with.

        An arm that does not answer is none: `run` goes on asking it.
        """
        mismatches = await asyncio.gather(*map(self.look, self._arms.values()))
        return tuple(filter(None, mismatches))

    async def run(self) -> None:
        """Follow every arm for ever."""
        async with asyncio.TaskGroup() as group:
            for arm in self._arms.values():
                group.create_task(self._follow(arm))

    async def look(self, arm: ArmEndpoints) -> str:
        """Ask an arm's servers once; why no name fits what they serve, empty when one does or nothing is known."""
        answers = await asyncio.gather(*(self._ask(endpoint) for endpoint in arm.endpoints))
        mismatch = self._name(arm)
        self._note(arm, tuple(filter(None, (*answers, *_disagreeing(arm), mismatch))))
        return mismatch

    async def _follow(self, arm: ArmEndpoints) -> None:
        retry = FIRST_RETRY
        while True:
            known = not self._problems.get((arm.model, arm.arm))
            await asyncio.sleep((REFRESH if known else retry) * (1.0 + 0.25 * self._chance()))
            retry = FIRST_RETRY if known else min(2 * retry, LONGEST_RETRY)
            await self.look(arm)

    def _name(self, arm: ArmEndpoints) -> str:
        listed = next((endpoint.listed for endpoint in arm.endpoints if endpoint.listing), [])
        try:
            name = served_name(arm.model, arm.configured_name, listed)
        except NameMismatch as error:
            return f"model {arm.model!r}, arm {arm.arm!r}: {error}"
        if listed and name != arm.served_name:
            arm.served_name = name
            log.info("model name mapped", model=arm.model, arm=arm.arm, served_name=name or arm.model)
        return ""

    async def _ask(self, endpoint: Endpoint) -> str:
        """Note what one server says of itself; the problem with it, empty when there is none."""
        try:
            endpoint.listing = await self._listing(endpoint)
            endpoint.server_version = await self._version(endpoint)
        except Unanswered as error:
            return f"{endpoint.url} does not say what it serves: {error}"
        return ""

    async def _listing(self, endpoint: Endpoint) -> Listing:
        answer = await self._fetch(endpoint, "/v1/models")
        if answer.status in (401, 403):
            raise Unanswered(f"/v1/models answered {answer.status}; name the file with its key in api_key_file")
        if answer.status != 200:
            raise Unanswered(f"/v1/models answered {answer.status}")
        try:
            listed = msgspec.json.decode(answer.body, type=_Listed)
        except msgspec.DecodeError as error:
            raise Unanswered(f"/v1/models answered with something else than a list ({error})") from error
        return tuple(entry for entry in listed.data if isinstance(entry.get("id"), str))

    async def _version(self, endpoint: Endpoint) -> str:
        answer = await self._fetch(endpoint, "/version")
        try:
            return msgspec.json.decode(answer.body, type=_Version).version if answer.status == 200 else ""
        except msgspec.DecodeError:
            return ""

    def _note(self, arm: ArmEndpoints, problems: tuple[str, ...]) -> None:
        key = (arm.model, arm.arm)
        if problems != self._problems.get(key, ()):
            for problem in problems:
                log.warning("arm not known", model=arm.model, arm=arm.arm, problem=problem)
        self._problems[key] = problems


def _disagreeing(arm: ArmEndpoints) -> list[str]:
    name = arm.served_name or arm.model
    answered = [endpoint for endpoint in arm.endpoints if endpoint.listing]
    return [
        f"{endpoint.url} does not serve {name!r}, as the arm does; it serves: {', '.join(endpoint.listed)}"
        for endpoint in answered[1:]
        if name not in endpoint.listed
    ]
