"""Discovery and probing over real sockets."""

import json
import time
from pathlib import Path

import pytest
import trustme

from gateway.clock import SystemClock
from gateway.configfile import parse
from gateway.proxy import discovery as discovery_module
from gateway.proxy import probing
from gateway.proxy.arms import Arms, build_arms
from gateway.proxy.discovery import Discovery
from gateway.proxy.ejection import EJECT_AFTER
from gateway.proxy.fetch import LONGEST_BODY, HttpFetch, Unanswered
from gateway.proxy.probing import Prober
from gateway.proxy.tls import ServerTls
from gateway.settings import Tls
from gateway.tasks import Tasks
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import Meters
from tests.integration.proxy.server import Server, eventually, server
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio

LISTING = json.dumps({"object": "list", "data": [{"id": "org/v12", "max_model_len": 64}]}).encode()


def arms_of(folder: Path, url: str, **more: object) -> Arms:
    raw = {"assistant": {"arms": {"stable": {"endpoints": [url], **more}}}}
    models = parse({"models": raw}, folder, {}).models
    return build_arms(models, Meters(CounterFile.open(folder / "c.bin")), SystemClock(), lambda: 0.0)


def serve_models(its: Server) -> None:
    its.answers |= {"/v1/models": LISTING, "/version": b'{"version": "0.11.0"}'}


async def test_an_arm_is_asked_with_its_own_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-secret")
    async with server() as its:
        serve_models(its)
        arms = arms_of(tmp_path, its.url, api_key_file="key")
        fetch = HttpFetch()
        assert await Discovery(arms, fetch, lambda: 0.0).start() == ()
        await fetch.close()
        assert len(its.heads) == 2
        assert all(b"\r\nAuthorization: Bearer sk-secret\r\n".lower() in head.lower() for head in its.heads)
    (arm,) = arms.values()
    assert arm.served_name == "org/v12"
    assert arm.endpoints[0].server_version == "0.11.0"


async def test_an_arm_that_comes_up_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery_module, "FIRST_RETRY", 0.05)
    port = free_port()
    arms = arms_of(tmp_path, f"http://127.0.0.1:{port}")
    (arm,) = arms.values()
    fetch, tasks = HttpFetch(), Tasks()
    its = Discovery(arms, fetch, lambda: 0.0)
    assert await its.start() == ()
    assert its.warnings
    tasks.spawn("discovery", its.run())
    async with server(port) as late:
        serve_models(late)
        await eventually(lambda: arm.served_name == "org/v12" and not its.warnings)
        await tasks.close()
    await fetch.close()


async def test_an_endpoint_that_was_down_is_probed_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "PROBE_SECONDS", 0.05)
    port = free_port()
    arms = arms_of(tmp_path, f"http://127.0.0.1:{port}")
    (arm,) = arms.values()
    (endpoint,) = arm.endpoints
    for _ in range(EJECT_AFTER):
        endpoint.failed("refused")
    fetch, tasks = HttpFetch(), Tasks()
    prober = Prober(arms, fetch)
    await prober.probe()
    assert endpoint.health.ejected
    tasks.spawn("prober", prober.run())
    async with server(port) as back:
        back.answers["/health"] = 200
        await eventually(lambda: not endpoint.health.ejected)
        await tasks.close()
    await fetch.close()


@pytest.mark.parametrize("body", [None, b"x" * (LONGEST_BODY + 1)])
async def test_a_server_that_hangs_or_never_ends_is_unanswered_by_the_deadline(
    tmp_path: Path, body: bytes | None
) -> None:
    async with server() as its:
        its.answers["/health"] = body
        (arm,) = arms_of(tmp_path, its.url).values()
        fetch = HttpFetch(deadline=0.2)
        started = time.monotonic()
        with pytest.raises(Unanswered):
            await fetch(arm.endpoints[0], "/health")
        assert time.monotonic() - started < 2
        await fetch.close()


async def test_an_arms_certificate_is_verified_against_its_ca(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    files = Tls(cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    async with server(tls=ServerTls(files).context) as its:
        its.answers["/health"] = 200
        url = f"https://127.0.0.1:{its.port}"
        fetch = HttpFetch()
        for more, trusted in (
            ({"ca": "ca.pem"}, True),
            ({"ca": "other.pem"}, False),
            ({"tls_verify": False}, True),
        ):
            (arm,) = arms_of(tmp_path, url, **more).values()
            if trusted:
                assert (await fetch(arm.endpoints[0], "/health")).status == 200
            else:
                with pytest.raises(Unanswered, match=r"(?i)certificate"):
                    await fetch(arm.endpoints[0], "/health")
        await fetch.close()
