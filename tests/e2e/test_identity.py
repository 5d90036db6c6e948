"""Who may do what, and who did: the real gateway with tokens, keys, and the audit stream."""

import json
from pathlib import Path

import httpx

from gateway.core.identity import hashed
from tests.e2e.test_reload import reload, settings, write
from tests.support.people import question
from tests.support.simulated import simulated
from tests.support.stack import Stack, tipstaff
from tests.support.wait import until

PEOPLE = {"ada": "operator", "bob": "viewer", "board": "auditor"}


def bearer(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer token-of-{name}"}


def test_who_did_what_is_known_by_name(tmp_path: Path) -> None:
    for name in (*PEOPLE, "shop"):
        (tmp_path / f"{name}.hash").write_text(hashed(f"token-of-{name}"))
        (tmp_path / f"{name}.token").write_text(f"token-of-{name}\n")
    with simulated("v1", "v2") as (stable, canary):
        arms = {
            "stable": {"endpoints": [stable.url]},
            "canary": {"endpoints": [canary.url]},
        }
        named = [{"name": name, "role": role, "file": f"{name}.hash"} for name, role in PEOPLE.items()]
        keys = [{"name": "shop", "file": "shop.hash", "models": ["assistant"]}]
        with Stack(
            tmp_path, {"assistant": {"arms": arms}}, admin_tokens=named, client_keys=keys, expose_arm=True
        ) as stack:
            chat = f"{stack.url}/v1/chat/completions"
            assert httpx.post(chat, json=question("assistant")).status_code == 401
            force = {"x-tipstaff-force-arm": "canary", "x-tipstaff-admin-token": "token-of-bob"}
            asked = httpx.post(chat, json=question("assistant"), headers=bearer("shop") | force)
            assert asked.status_code == 403
            force["x-tipstaff-admin-token"] = "token-of-ada"
            forced = httpx.post(chat, json=question("assistant"), headers=bearer("shop") | force)
            assert (forced.status_code, forced.headers["x-tipstaff-arm"]) == (200, "canary")
            exchange = forced.headers["x-tipstaff-exchange"]
            one = f"http://127.0.0.1:{stack.admin_port}/api/v1/exchanges/{exchange}"
            until(lambda: httpx.get(one, headers=bearer("bob")).is_success, 30, "its verdict has come", 0.1)
            assert httpx.get(one, headers=bearer("bob")).json()["withheld"] is True
            assert httpx.get(one, headers=bearer("board")).json()["text"]["answers"]

            admin = ("--admin", f"127.0.0.1:{stack.admin_port}", "--token-file")
            weights = ("weights", "assistant", "canary=5", "--reason", "a look", *admin)
            refused = tipstaff(*weights, tmp_path / "bob.token")
            assert (refused.returncode, "'bob' is a viewer" in refused.stderr) == (1, True)
            done = tipstaff(*weights, tmp_path / "ada.token")
            assert done.returncode == 0, done.stderr
            made = httpx.get(f"http://127.0.0.1:{stack.admin_port}/api/v1/decisions", headers=bearer("bob")).json()
            assert made["decisions"][-1]["actor"] == "ada"

            def told() -> list[tuple[str, str, str]]:
                found = tipstaff("audit", "--json", *admin, tmp_path / "board.token")
                assert found.returncode == 0, found.stderr
                entries = [json.loads(line) for line in found.stdout.splitlines()]
                return [(each["actor"], each["action"], each["subject"]) for each in entries]

            wanted = {
                ("ada", "arm.forced", exchange),
                ("bob", "sign_in.failed", "forcing an arm"),
                ("board", "text.read", exchange),
            }
            until(lambda: wanted <= set(told()), 20, "the audit stream has it", 0.2)
            assert {action for actor, action, _ in told() if actor == "config"} == {"config.loaded"}
            assert any(actor == "bob" and "weights" in subject for actor, _, subject in told())
        kept = b"".join(
            path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".token"
        )
    assert b"token-of-" not in kept.replace(b"tipstaff-token", b"")


def test_whoever_signs_in_stays_so_until_the_token_goes(tmp_path: Path) -> None:
    tokens = []
    for name in ("ada", "bob"):
        (tmp_path / f"{name}.hash").write_text(hashed(f"token-of-{name}"))
        tokens.append({"name": name, "role": "operator", "file": f"{name}.hash"})
    with simulated("v1") as (server,), Stack(tmp_path, **settings(server, admin_tokens=tokens)) as stack:
        browser = httpx.Client(
            base_url=f"http://127.0.0.1:{stack.admin_port}",
            follow_redirects=True,
            timeout=60,  # the port stays open while the controller is started again
            limits=httpx.Limits(max_keepalive_connections=0),
        )

        def who() -> str:
            answer = browser.get("/api/v1/session")
            return str(answer.json()["title" if answer.is_error else "name"])

        assert browser.get("/").headers["content-type"].startswith("text/html")
        browser.post("/api/v1/session", json={"token": "token-of-ada"}).raise_for_status()
        assert who() == "ada"
        killed = stack.kill("controller")
        until(lambda: stack.restarted("controller", killed), 60, "it is started again")
        assert who() == "ada"
        write(stack, settings(server, admin_tokens=tokens[1:]))
        assert reload(stack).problems == ()
        until(lambda: who() == "The session has ended", 60, "it went with its token", 0.1)
        assert (tmp_path / "data" / "sessions" / "open.json").read_bytes() == b"[]"
