"""The data port's certificate, replaced while connections come in."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme
import uvloop

from gateway.proxy.tls import ServerTls
from gateway.settings import ConfigError, Tls

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    if request.param == "uvloop":
        return "asyncio", {"loop_factory": uvloop.new_event_loop}
    return "asyncio"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def issue(authority: trustme.CA, folder: Path, name: str) -> Tls:
    """A pair of files in place, as a certificate manager replaces them."""
    leaf = authority.issue_cert(name, "localhost")
    for path, blob in ((folder / "cert.pem", leaf.cert_chain_pems[0]), (folder / "key.pem", leaf.private_key_pem)):
        blob.write_to_path(str(path) + ".new")
        Path(f"{path}.new").rename(path)
    return Tls(cert=folder / "cert.pem", key=folder / "key.pem")


async def names(port: int, authority: trustme.CA, server_hostname: str | None) -> set[str]:
    """The names in the certificate that a new connection is shown; with None it sends no name at all."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.check_hostname = server_hostname is not None
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=server_hostname or "")
    certificate = writer.get_extra_info("peercert")
    writer.close()
    return {value for _, value in certificate["subjectAltName"]}


async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_new_connections_get_the_new_certificate(tmp_path: Path, authority: trustme.CA) -> None:
    tls = ServerTls(issue(authority, tmp_path, "old.example"))
    server = await asyncio.start_server(nothing, "127.0.0.1", 0, ssl=tls.context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert "old.example" in await names(port, authority, "localhost")
        assert not tls.reload()
        issue(authority, tmp_path, "new.example")
        assert tls.reload()
        assert "new.example" in await names(port, authority, "localhost")
        assert "new.example" in await names(port, authority, None)


async def test_a_pair_that_does_not_fit_changes_nothing(tmp_path: Path, authority: trustme.CA) -> None:
    files = issue(authority, tmp_path, "old.example")
    tls = ServerTls(files)
    server = await asyncio.start_server(nothing, "127.0.0.1", 0, ssl=tls.context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        authority.issue_cert("half.example").cert_chain_pems[0].write_to_path(str(files.cert))
        assert not tls.reload()
        assert "the last certificate stays in use" in tls.warnings[0]
        assert "old.example" in await names(port, authority, "localhost")
        issue(authority, tmp_path, "new.example")
        assert tls.reload()
        assert tls.warnings == ()
        assert "new.example" in await names(port, authority, "localhost")


async def test_http_2_is_not_offered(tmp_path: Path, authority: trustme.CA) -> None:
    tls = ServerTls(issue(authority, tmp_path, "localhost"))
    server = await asyncio.start_server(nothing, "127.0.0.1", 0, ssl=tls.context)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.close()


def test_files_that_are_no_pair_are_refused(tmp_path: Path, authority: trustme.CA) -> None:
    files = issue(authority, tmp_path, "localhost")
    with pytest.raises(ConfigError, match=r"tls: .*none\.pem"):
        ServerTls(Tls(cert=files.cert, key=tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match="tls: "):
        ServerTls(Tls(cert=files.key, key=files.key))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to lock a key with a pass phrase")
def test_a_key_with_a_pass_phrase_is_refused_without_asking(tmp_path: Path, authority: trustme.CA) -> None:
    files = issue(authority, tmp_path, "localhost")
    locked = tmp_path / "locked.pem"
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:secret", "-in", str(files.key), "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    with pytest.raises(ConfigError, match="pass phrase"):
        ServerTls(Tls(cert=files.cert, key=locked))
