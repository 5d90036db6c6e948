"""A rollout that people are told of, and that is checked afterwards from what they were told."""

import json
from pathlib import Path

import pytest

from tests.integration.controller.test_notify import Site
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

ARMS = {
    "stable": {"endpoints": ["http://127.0.0.1:1"], "version": "1"},
    "canary": {"endpoints": ["http://127.0.0.1:1"], "version": "2"},
}


def test_what_was_told_is_what_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    site = Site()
    (tmp_path / "hook").write_text(site.url)
    with Stack(tmp_path, {"assistant": {"arms": ARMS}}, notify=[{"url_file": "hook"}]) as stack:
        admin = ("--admin", f"127.0.0.1:{stack.admin_port}")
        for words in (
            ("start", "assistant", "--to", "canary", "--plan", "fast", "--reason", "v2"),
            ("suspend", "assistant", "--reason", "a look"),
            ("rollback", "assistant", "--reason", "no"),
        ):
            done = tipstaff("rollout", *words, *admin)
            assert done.returncode == 0, done.stderr
        until(lambda: len(site.bodies) == 3, 20, "three decisions are told")
        told = [json.loads(body) for body in site.bodies]
        assert [each["kind"] for each in told] == ["start", "suspend", "roll_back"]
        for wanted in ("assistant", told[0]["rollout"]):
            checked = tipstaff("rollout", "verify", wanted, "--head", told[-1]["head"], *admin)
            assert checked.returncode == 0, checked.stdout + checked.stderr
        made = tipstaff("rollout", "bundle", "assistant", "-o", tmp_path / "rollout.zip", *admin)
        assert made.returncode == 0, made.stderr
    site.close()
    for source in ((tmp_path / "rollout.zip",), ("--data", stack.data)):
        checked = tipstaff("rollout", "verify", *source, "--head", told[-1]["head"])
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "FAIL" not in checked.stdout
    other = tipstaff("rollout", "verify", tmp_path / "rollout.zip", "--head", "0" * 64)
    assert other.returncode == 1
    assert site.url not in stack.errors.read_text() + stack.output.read_text()
