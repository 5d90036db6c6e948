"""A person is forgotten: planted words and hashes, and a search of every file for them."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.core.assignment import unit_hash
from gateway.demo.model_server import ModelServer
from gateway.keys import load_unit_key
from gateway.layout import DataFolder
from tests.support.people import People
from tests.support.simulated import simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

ADA, BOB = "ada-planted-7f3a", "bob-planted-9c1d"
SECRET = "the heron sleeps in Zwolle"
NOTE = "ada told me herself"


@pytest.fixture
def servers() -> Iterator[list[ModelServer]]:
    with simulated("acme/v1", "acme/v2") as found:
        yield found


def ask(stack: Stack, user: str, text: str) -> str:
    body = {"model": "assistant", "user": user, "messages": [{"role": "user", "content": text}]}
    answer = stack.client.post("/v1/chat/completions", json=body).raise_for_status()
    return answer.headers["x-tipstaff-exchange"]


def hash_of(stack: Stack, user: str) -> bytes:
    return unit_hash(load_unit_key(DataFolder(stack.data).unit_key), "user", user.encode())


def where(data: Path, *planted: bytes) -> dict[str, list[str]]:
    """Planted bytes -> the files that hold them; texts and verdicts that are packed are looked for by their ids."""
    found: dict[str, list[str]] = {}
    for path in sorted(data.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            for each in planted:
                if each in content:
                    found.setdefault(repr(each), []).append(str(path.relative_to(data)))
    return found


def traces(stack: Stack, user: str) -> tuple[bytes, ...]:
    found = hash_of(stack, user)
    return (user.encode(), found, found.hex().encode())


def test_nothing_of_a_person_is_left_but_numbers(servers: list[ModelServer], tmp_path: Path) -> None:
    arms = {
        "stable": {"endpoints": [servers[0].url], "version": "v1"},
        "canary": {"endpoints": [servers[1].url], "version": "v2"},
    }
    wish = {"to": "canary", "plan": "fast"}
    models = {"assistant": {"arms": arms, "unit": ["body:user"], "rollout": wish}}
    with Stack(tmp_path, models, proxy={"workers": 2}) as stack:
        admin = ("--admin", f"127.0.0.1:{stack.admin_port}")
        hers = [ask(stack, ADA, f"{SECRET}, number {number}") for number in range(20)]
        others = [ask(stack, f"{BOB}-{number}", "hello") for number in range(20)]
        for each in (*hers, *others):
            stack.exchange(each)
        labels = tmp_path / "labels.jsonl"
        labels.write_text(
            f'{{"exchange_id": "{hers[0]}", "principle": "any", "violates": true, "note": "{NOTE}"}}\n'
        )
        imported = tipstaff("review", "import", "assistant", labels, "--actor", "carol", *admin)
        assert imported.returncode == 0, imported.stderr
        stack.settled()
        before = where(stack.data, *traces(stack, ADA), NOTE.encode())
        assert len(before) == 4, before  # else the search below would find nothing for the wrong reason
        listed = len(stack.exchanges())

        with People(stack.url, "assistant").asking(2):
            done = tipstaff("forget", "--unit", ADA, *admin)
        assert done.returncode == 0, done.stderr
        assert re.search(r"forgotten: 20 exchanges", done.stdout), done.stdout

        after = where(stack.data, *traces(stack, ADA), NOTE.encode(), SECRET.encode())
        assert after == {}
        kept = [stack.admin.get(f"/api/v1/exchanges/{each}").raise_for_status().json() for each in hers]
        (pseudonym,) = {each["assignment"]["unit"] for each in kept}
        assert pseudonym != hash_of(stack, ADA).hex()
        assert not any(each.get("text") for each in kept)
        assert len(stack.exchanges()) >= listed
        assert stack.exchange(others[0])["text"]["turns"]
        assert where(stack.data, hash_of(stack, f"{BOB}-1"))
        verified = tipstaff("rollout", "verify", "assistant", *admin)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert all(each["balanced"] for each in stack.settled().values())
        entries = tipstaff("audit", "--action", "unit.forgotten", *admin).stdout
        assert "20 exchanges" in entries
        assert ADA not in entries

        again = ask(stack, ADA, "it is me again")  # whoever comes back is somebody new
        assert stack.exchange(again)["assignment"]["unit"] == hash_of(stack, ADA).hex()


def test_whoever_an_old_key_hid_is_found(servers: list[ModelServer], tmp_path: Path) -> None:
    arms = {"stable": {"endpoints": [servers[0].url]}, "canary": {"endpoints": [servers[1].url], "version": "v2"}}
    models: dict[str, Any] = {"assistant": {"arms": arms, "unit": ["body:user"]}}
    key, old = tmp_path / "key", tmp_path / "old"
    key.write_text("1" * 64)
    stack = Stack(tmp_path, models, unit_key_file="key").start()
    hers = ask(stack, ADA, SECRET)
    stack.exchange(hers)
    hidden = unit_hash(load_unit_key(key), "user", ADA.encode())
    admin = ("--admin", f"127.0.0.1:{stack.admin_port}")
    begun = tipstaff("rollout", "start", "assistant", "--to", "canary", "--reason", "a try", *admin)
    assert begun.returncode == 0, begun.stderr
    assert stack.stop() == 0

    old.write_text("1" * 64)
    key.write_text("2" * 64)
    with pytest.raises(RuntimeError, match=r"(?s)ended with 2:.*a rollout of assistant is under way"):
        stack.start()
    key.write_text("1" * 64)
    stack.start()
    back = tipstaff("rollout", "rollback", "assistant", "--reason", "another key", *admin)
    assert back.returncode == 0, back.stderr
    assert stack.stop() == 0

    key.write_text("2" * 64)
    stack.config.write_text(
        yaml.safe_dump({"models": models, "unit_key_file": "key", "old_unit_key_files": ["old"]})
    )
    with stack:
        rotated = partial(tipstaff, "audit", "--action", "key.rotated", *admin)
        until(lambda: "became" in rotated().stdout, 20, "the audit stream has it", 0.1)
        again = ask(stack, ADA, "me again")
        assert stack.exchange(again)["assignment"]["unit"] != hidden.hex()
        assert where(stack.data, hidden)
        done = tipstaff("forget", "--unit", ADA, *admin)
        assert "forgotten: 2 exchanges" in done.stdout, done.stdout + done.stderr
        now = unit_hash(load_unit_key(key), "user", ADA.encode())
        assert where(stack.data, hidden, now, hidden.hex().encode(), now.hex().encode()) == {}
        verified = tipstaff("rollout", "verify", "assistant", *admin)
        assert verified.returncode == 0, verified.stdout + verified.stderr
