"""`tipstaff init`: asks servers what they serve and writes the configuration for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import msgspec
import yaml

from gateway.configfile import parse
from gateway.settings import ConfigError

ARM_NAMES = ("stable", "canary")
_CANARY_PERCENT = 10
_DEADLINE = 10.0


class InitError(Exception):
    """A server cannot be used as it was given; the message says why and what to do."""


class Served(msgspec.Struct, frozen=True):
    """A server and the model names it listed."""

    url: str
    names: tuple[str, ...]


class _Card(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Card]


def ask(url: str, arm: str, key: str | None) -> Served:
    """What the server at `url` lists under /v1/models. Raises InitError."""
    base = (url if "://" in url else f"http://{url}").rstrip("/").removesuffix("/v1")
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    try:
        answer = httpx.get(f"{base}/v1/models", headers=headers, timeout=_DEADLINE)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InitError(f"{url}: no answer ({error}); is the server up, and is this its address?") from error
    if answer.status_code in (401, 403):
        said = "wants a key" if key is None else "refused the key"
        raise InitError(f"{url}: {said} ({answer.status_code}); give it with --api-key-file {arm}=FILE")
    try:
        answer.raise_for_status()
        listed = msgspec.json.decode(answer.content, type=_Models)
    except (httpx.HTTPStatusError, msgspec.DecodeError) as error:
        raise InitError(f"{url}: GET /v1/models gave no list of models ({error})") from error
    if not listed.data:
        raise InitError(f"{url}: lists no model; load one first")
    return Served(base, tuple(card.id for card in listed.data))


def write(path: Path, text: str) -> None:
    """Write what `tipstaff serve` would take. Raises InitError for what it would not, OSError."""
    try:
        parse(yaml.safe_load(text), path.parent, {})
    except ConfigError as error:
        raise InitError("; ".join(error.problems)) from error
    if not path.parent.is_dir():
        raise InitError(f"{path.parent}: there is no such folder")
    path.write_text(text, encoding="utf-8")


def configuration(served: Sequence[Served], name: str | None, key_files: Mapping[str, Path]) -> str:
    """The YAML for one or two servers: the first is stable, the second the canary with 10 %.

    Each version is called what its server calls it. The model is called `name`, else by the first server's first
    name, so that its clients need no change.
    One server with several names becomes two arms of it, the second at 0 %. Raises InitError.
    """
    if len({server.url for server in served}) < len(served):
        raise InitError(f"{served[0].url} is given twice: the second server is the new version's")
    sources = [(server.url, server.names[0], len(server.names) > 1) for server in served]
    if len(served) == 1 and len(served[0].names) > 1:
        sources.append((served[0].url, served[0].names[1], True))
    model = name or sources[0][1]
    arms = {}
    for arm, (url, served_name, several) in zip(ARM_NAMES, sources, strict=False):
        body: dict[str, object] = {"endpoints": [url], "version": served_name}
        if several and served_name != model:
            body["model"] = served_name
        if arm in key_files:
            body["api_key_file"] = str(key_files[arm])
        if arm != ARM_NAMES[0]:
            body["weight"] = _CANARY_PERCENT if len(served) > 1 else 0
        arms[arm] = body
    return _HEAD + yaml.safe_dump({"models": {model: {"arms": arms}}}, sort_keys=False, default_flow_style=None)


_HEAD = """\
# Written by `tipstaff init`. `tipstaff check --keys` lists every key there is.
listen: 127.0.0.1:8080
admin: 127.0.0.1:9191
data: ./data
# A unit (a user, else a conversation) stays on its arm; weight is in percent, the first arm takes the rest.
# Decisions name an arm by its version: change it whenever you change what a server serves.
"""
