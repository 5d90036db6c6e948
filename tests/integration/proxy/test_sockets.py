"""The data plane on real sockets, before an upstream that does what each test says."""

import asyncio
import errno
import gc
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn, cast

import psutil
import pytest
import trustme

from gateway.core.exchange import Reason
from gateway.proxy.ejection import IN_SERVICE
from gateway.proxy.endpoints import Endpoint
from tests.support.dataplane import Bench, config
from tests.support.loops import on_loop
from tests.support.plainplane import request
from tests.support.ports import free_port
from tests.support.rawclient import RawClient
from tests.support.upstream import Conversation, Script, Upstream, answering

STREAM = b'{"model":"assistant","stream":true}'


@asynccontextmanager
async def served(folder: Path, *scripts: Script, **more: Any) -> AsyncIterator[tuple[Bench, list[Upstream]]]:  # noqa: ANN401
    """A data plane before one upstream for each script: the first is `stable`, the second `canary`."""
    async with asyncio.timeout(30):
        upstreams = [await Upstream(script).__aenter__() for script in scripts]
        bench = Bench(folder, config(*(upstream.url for upstream in upstreams), **more))
        await bench.start()
        try:
            yield bench, upstreams
        finally:
            await bench.close()
            for upstream in upstreams:
                await upstream.__aexit__()
    assert not bench.deaths


async def turned(condition: Callable[[], bool]) -> None:
    """Let the loop turn until `condition` holds; the test's own deadline ends what never does."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(0)


def counted(bench: Bench, **labels: str) -> float:
    return bench.metric("tipstaff_requests_total", **labels)


@on_loop
async def test_connections_to_the_arm_are_kept_and_used_again(tmp_path: Path) -> None:
    async with served(tmp_path, answering()) as (bench, (upstream,)), RawClient(bench.port) as client:
        for _ in range(5):
            await client.send(request())
            assert (await client.answer()).body == b'{"ok":true}'
        assert upstream.connections == 1


@on_loop
async def test_small_writes_go_out_at_once_on_both_sides(tmp_path: Path) -> None:
    delays: list[int] = []

    async def script(conversation: Conversation) -> None:
        delays.append(
            conversation.writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        )
        await answering()(conversation)

    async with served(tmp_path, script) as (bench, _), RawClient(bench.port) as client:
        await client.send(request())
        await client.answer()
        for connection in bench.plane._services.connections:
            ours = connection._transport.get_extra_info("socket")
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        for idle in bench.plane._services.pool._idle.values():
            for upstream in idle:
                ours = upstream._transport.get_extra_info("socket")
                assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert delays


@on_loop
async def test_a_process_without_descriptors_blames_no_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def exhausted(_: Endpoint) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    async with served(tmp_path, answering()) as (bench, _), RawClient(bench.port) as client:
        monkeypatch.setattr(bench.plane._services.pool, "connect", exhausted)
        await client.send(request())
        got = await client.answer()
        assert got.status == 503
        assert b"out_of_connections" in got.body
        (endpoint,) = bench.arms["assistant", "stable"].endpoints
        assert endpoint.in_flight == 0
        assert endpoint.health is IN_SERVICE
        assert bench.metric("tipstaff_upstream_errors_total") == 0


@on_loop
async def test_a_client_that_hangs_up_before_the_first_byte_ends_the_upstream_within_100_ms(tmp_path: Path) -> None:
    left: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    asked = asyncio.Event()

    async def script(conversation: Conversation) -> None:
        await conversation.request()
        asked.set()
        await conversation.hung_up()
        left.set_result(time.monotonic())

    async with served(tmp_path, script) as (bench, _), RawClient(bench.port) as client:
        await client.send(request() + request())  # with one waiting behind
        await asked.wait()
        gone = time.monotonic()
        client.vanish()
        assert await left - gone < 0.1
        (record,) = await bench.records.until(1)
        assert record.reason is Reason.CLIENT_GONE
        assert bench.metric("tipstaff_upstream_errors_total") == 0
        assert bench.arms["assistant", "stable"].endpoints[0].in_flight == 0


@pytest.mark.parametrize("politely", [True, False])
@on_loop
async def test_in_the_middle_of_a_stream(tmp_path: Path, *, politely: bool) -> None:
    left: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.begin_chunks()
        await conversation.chunk(b"data: 1\n\n")
        await conversation.hung_up()
        left.set_result(time.monotonic())

    async with served(tmp_path, script) as (bench, _), RawClient(bench.port) as client:
        await client.send(request(STREAM))
        await client.head()
        assert await client.chunk() == b"data: 1\n\n"
        gone = time.monotonic()
        if politely:
            client.writer.close()
        else:
            client.vanish()
        assert await left - gone < 0.1
        (record,) = await bench.records.until(1)
        assert (record.reason, record.status, record.chunks) == (Reason.CLIENT_GONE, 200, 1)


@on_loop
async def test_also_when_so_much_is_pipelined_that_nobody_reads_the_connection(tmp_path: Path) -> None:
    left: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    asked = asyncio.Event()

    async def script(conversation: Conversation) -> None:
        await conversation.request()
        asked.set()
        await conversation.hung_up()
        left.set_result(time.monotonic())

    async with served(tmp_path, script) as (bench, _), RawClient(bench.port) as client:
        await client.send(request())
        await asked.wait()
        client.writer.write(request(b" " * 3_000_000))
        await turned(lambda: bool(bench.plane._services.deaf))
        gone = time.monotonic()
        client.vanish()
        assert await left - gone < 0.1
        (held,) = (await bench.records.until(1),)
        assert held[0].reason is Reason.CLIENT_GONE


@on_loop
async def test_also_while_its_request_is_still_on_its_way_to_the_arm(tmp_path: Path) -> None:
    left: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    begun = asyncio.Event()

    async def script(conversation: Conversation) -> None:
        await conversation.reader.readuntil(b"\r\n\r\n")
        begun.set()
        with pytest.raises(asyncio.IncompleteReadError):
            await conversation.reader.readexactly(1 << 30)
        left.set_result(time.monotonic())

    body = STREAM[:-1] + b',"x":"' + b"y" * 20_000_000 + b'"}'
    async with served(tmp_path, script) as (bench, _), RawClient(bench.port) as client:
        await client.send(request(body))
        await begun.wait()
        gone = time.monotonic()
        client.vanish()
        (record,) = await bench.records.until(1)
        assert record.reason is Reason.CLIENT_GONE
        assert time.monotonic() - gone < 0.1
        await left
        assert bench.plane._services.buffered.taken == 0


@on_loop
async def test_many_clients_leave_at_odd_moments_and_nothing_is_left_over(tmp_path: Path) -> None:
    async def script(conversation: Conversation) -> None:
        while await conversation.request():
            await conversation.begin_chunks()
            for _ in range(20):
                await conversation.chunk(b"data: x\n\n")
                await asyncio.sleep(0.002)
            await conversation.chunk(b"")

    async with served(tmp_path, script) as (bench, _):

        async def leave(number: int) -> None:
            async with RawClient(bench.port) as client:
                await client.send(request(STREAM))
                await asyncio.sleep(number % 50 / 1000)
                client.vanish()

        await asyncio.gather(*(leave(number) for number in range(100)))
        await turned(lambda: not bench.plane.connections and not bench.plane.exchanges)
        assert len(bench.records.records) == bench.records.begun
        assert counted(bench) == bench.records.begun
        assert bench.metric("tipstaff_in_flight") == bench.metric("tipstaff_connections") == 0
        assert bench.arms["assistant", "stable"].endpoints[0].in_flight == 0


@on_loop
async def test_a_reused_connection_that_has_died_is_replaced_once(tmp_path: Path) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.answer(b"first")
        await conversation.request()  # the second on this connection dies unanswered
        conversation.reset()

    async with served(tmp_path, script) as (bench, (upstream,)), RawClient(bench.port) as client:
        for _ in range(3):
            await client.send(request())
            assert (await client.answer()).status == 200
        assert upstream.connections == 3
        assert counted(bench, code="200", reason="complete") == 3
        assert bench.metric("tipstaff_upstream_errors_total") == 0
        assert {record.reason for record in bench.records.records} == {Reason.COMPLETE}


@on_loop
async def test_only_once_and_only_before_the_first_byte(tmp_path: Path) -> None:
    async def script(conversation: Conversation) -> None:
        if upstream.connections == 1:
            await conversation.request()
            await conversation.answer(b"first")
        await conversation.request()
        conversation.reset()

    async with served(tmp_path, script) as (bench, (upstream,)), RawClient(bench.port) as client:
        await client.send(request())
        assert (await client.answer()).status == 200
        await client.send(request())
        assert (await client.answer()).status == 502
        assert upstream.connections == 2

    async def half(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.answer(b"first")
        await conversation.request()
        await conversation.say(b"HTTP/1.1 2")
        conversation.reset()

    folder = tmp_path / "half"
    folder.mkdir()
    async with served(folder, half) as (bench, (upstream,)), RawClient(bench.port) as client:
        await client.send(request())
        await client.answer()
        await client.send(request())
        assert (await client.answer()).status == 502
        assert upstream.connections == 1


@on_loop
async def test_an_arm_that_is_down_fails_over_and_the_record_says_so(tmp_path: Path) -> None:
    async with served(tmp_path, answering(b"stable"), answering(b"canary")) as (bench, (_, canary)):
        bench.weigh("assistant", {"canary": 1.0})
        async with RawClient(bench.port) as client:
            await client.send(request())
            assert (await client.answer()).body == b"canary"
            await canary.__aexit__()
            for _ in range(5):
                await client.send(request())
                assert (await client.answer()).body == b"stable"
            assignment = bench.records.records[-1].assignment
            assert (assignment.assigned, assignment.served) == ("canary", "stable")
            assert bench.metric("tipstaff_fail_overs_total", arm="canary") == 5
            assert bench.metric("tipstaff_in_flight") == 0
            token = "admin token of the tests"
            force = f"x-tipstaff-force-arm: canary\r\nx-tipstaff-admin-token: {token}\r\n"
            await client.send(request(headers=force))
            assert (await client.answer()).status == 502


@on_loop
async def test_without_one_it_is_502_with_a_code(tmp_path: Path) -> None:
    port = free_port()
    bench = Bench(tmp_path, config(f"http://127.0.0.1:{port}"))
    await bench.start()
    async with RawClient(bench.port) as client:
        for _ in range(5):
            await client.send(request())
            answer = await client.answer()
            assert answer.status == 502
            assert b'"code":"upstream_refused"' in answer.body or b'"code":"no_endpoint"' in answer.body
        assert {record.reason for record in bench.records.records} == {Reason.UPSTREAM_REFUSED}
    await bench.close()


@on_loop
async def test_deadlines_end_what_hangs(tmp_path: Path) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        if b"stream" in conversation.body:
            await conversation.begin_chunks()
            await conversation.chunk(b"data: 1\n\n")
        await conversation.hung_up()

    deadlines = {"header": 0.2, "first_byte": 0.2, "idle": 0.2, "keep_alive": 0.3}
    async with served(tmp_path, script, deadlines=deadlines) as (bench, _):
        async with RawClient(bench.port) as client:
            await client.send(request())
            answer = await client.answer()
            assert (answer.status, b'"upstream_timeout"' in answer.body) == (504, True)
            assert await client.ended() == b"", "an idle connection ends"
        async with RawClient(bench.port) as client:
            await client.send(request(STREAM))
            assert not (await client.answer()).whole
        async with RawClient(bench.port) as client:
            await client.send(b"GET /livez HTTP/1.1\r\n")
            assert (await client.answer()).status == 408
        async with RawClient(bench.port) as client:
            await client.send(request()[:-3])
            assert (await client.answer()).status == 408
        assert [record.reason for record in bench.records.records] == [Reason.UPSTREAM_TIMEOUT] * 2


@on_loop
async def test_a_slow_client_grows_no_memory(tmp_path: Path) -> None:
    sent = 0
    piece = b"x" * 65_536

    async def script(conversation: Conversation) -> None:
        nonlocal sent
        await conversation.request()
        await conversation.begin_chunks()
        while True:
            await conversation.chunk(piece)
            sent += len(piece)

    limits = {"record_bytes": 1024}
    async with served(tmp_path, script, limits=limits) as (bench, _), RawClient(bench.port) as client:
        transport = cast("asyncio.Transport", client.writer.transport)
        transport.pause_reading()
        gc.collect()
        before = psutil.Process().memory_info().rss
        await client.send(request(STREAM))
        stood, last = 0, -1
        while stood < 10:  # until nothing moves any more
            await asyncio.sleep(0.02)
            stood, last = (stood + 1, sent) if sent == last else (0, sent)
        (connection,) = bench.plane._services.connections
        assert connection.unsent() < 1 << 20
        assert sent < 32 << 20, "the arm was not held back"
        assert psutil.Process().memory_info().rss - before < 32 << 20
        transport.resume_reading()
        held = sent
        await client.head()
        for _ in range(200):
            await client.chunk()
        assert sent > held, "the arm was not let go again"


@on_loop
async def test_a_failure_after_the_head_resets_the_connection(tmp_path: Path) -> None:
    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.say(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        conversation.reset()

    async with served(tmp_path, script) as (bench, _), RawClient(bench.port) as client:
        # To an HTTP/1.0 client the end of the connection is the end of the body: only a reset tells the truth.
        await client.send(request().replace(b"HTTP/1.1", b"HTTP/1.0"))
        await client.head()
        with pytest.raises(ConnectionError):
            await client.reader.read()
        assert (await bench.records.until(1))[0].reason is Reason.UPSTREAM_RESET


@on_loop
async def test_a_refused_upload_still_gets_its_answer(tmp_path: Path) -> None:
    async with (
        served(tmp_path, answering(), limits={"body_bytes": 1000}) as (bench, _),
        RawClient(bench.port) as client,
    ):
        await client.send(request(b" " * 2_000_000))
        answer = await client.answer()
        assert answer.status == 413
        assert answer.fields["connection"] == "close"
        assert await client.ended() == b""


@on_loop
async def test_a_drain_finishes_streams_and_then_no_more(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def script(conversation: Conversation) -> None:
        while await conversation.request():
            if b"endless" in conversation.body:
                await conversation.begin_chunks()
                await conversation.chunk(b"data: 1\n\n")
                await conversation.hung_up()
                return
            await go_on.wait()
            await conversation.answer(b"done")

    async with served(tmp_path, script) as (bench, _):
        async with RawClient(bench.port) as idle, RawClient(bench.port) as busy, RawClient(bench.port) as endless:
            await busy.send(request())
            await endless.send(request(b'{"model":"assistant","endless":1}'))
            await endless.head()
            await endless.chunk()
            await turned(lambda: bench.plane.exchanges == 2)
            drained = bench.tasks.spawn("drain", bench.plane.drain(0.5))
            assert await idle.ended() == b""
            assert bench.plane.draining
            with pytest.raises(OSError, match=r"refused|Connect call failed|Errno 111"):
                await asyncio.open_connection("127.0.0.1", bench.port)
            go_on.set()
            answer = await busy.answer()
            assert (answer.body, answer.fields["connection"]) == (b"done", "close")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await endless.chunk()
            await drained
        assert sorted(record.reason for record in bench.records.records) == [Reason.COMPLETE, Reason.DRAIN]
        assert bench.plane.connections == 0


@on_loop
async def test_tls_on_both_sides(tmp_path: Path) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    left = asyncio.Event()

    async def script(conversation: Conversation) -> None:
        await conversation.request()
        await conversation.answer(b"x" * 300_000)
        await conversation.request()
        await conversation.begin_chunks()
        await conversation.chunk(b"data: 1\n\n")
        await conversation.hung_up()
        left.set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(Conversation(reader, writer))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=server)
    url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    settings = config(url)
    settings["models"]["assistant"]["arms"]["stable"]["ca"] = str(ca)
    bench = Bench(tmp_path, settings)
    await bench.start(server)
    async with RawClient(bench.port, trusting) as client:
        await client.send(request())
        assert (await client.answer()).body == b"x" * 300_000
        await client.send(request(STREAM))
        await client.head()
        assert await client.chunk() == b"data: 1\n\n"
        client.writer.transport.abort()
        async with asyncio.timeout(1):
            await left.wait()
    listener.close()
    await bench.close()
    assert not bench.deaths


@on_loop
async def test_idle_clients_cost_little(tmp_path: Path) -> None:
    count = 500
    async with served(tmp_path, answering()) as (bench, _):
        listener_side = []
        before = psutil.Process().memory_info().rss
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", bench.port))
            listener_side.append(connection)
        await turned(lambda: bench.plane.connections == count)
        each = (psutil.Process().memory_info().rss - before) / count
        for connection in listener_side:
            connection.close()
        assert each < 12_000
