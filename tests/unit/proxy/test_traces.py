"""The trace context that an endpoint gets, and that is recorded."""

from pathlib import Path

import pytest

from gateway.core.tracecontext import Trace
from gateway.proxy.http1 import HeaderLines, read_request
from tests.support.plainplane import PlainPlane, answer, request

THEIRS, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def asked(folder: Path, headers: str = "", **traces: object) -> tuple[dict[bytes, bytes], str, Trace | None]:
    """The fields that the endpoint got, the exchange's id, and the trace that was recorded."""
    plane = PlainPlane(folder, **({"traces": {"endpoint": "http://collector:4318", **traces}} if traces else {}))
    plane.send(request(headers=headers))
    head = plane.sent_on().partition(b"\r\n\r\n")[0]
    assert head.lower().count(b"\r\ntraceparent:") == 1
    plane.reply(answer())
    (recorded,) = plane.bench.records.records
    plane.close()
    return read_request(head, HeaderLines.of_requests()).fields, recorded.id, recorded.trace


@pytest.mark.parametrize("share", [0, 1])
def test_a_new_trace_bears_the_exchanges_id(tmp_path: Path, share: int) -> None:
    fields, identifier, trace = asked(tmp_path, sample=share)
    assert fields[b"traceparent"].decode() == f"00-{identifier}-{identifier[16:]}-0{2 + share}"
    assert trace == Trace(identifier, identifier[16:], "", sampled=bool(share))


@pytest.mark.parametrize("flag", [0, 1])
def test_a_clients_trace_goes_on_under_our_span(tmp_path: Path, flag: int) -> None:
    headers = f"TraceParent: 00-{THEIRS}-{PARENT}-0{flag}\r\ntracestate: vendor=1\r\nX-Request-Id: mine\r\n"
    fields, identifier, trace = asked(tmp_path, headers, sample=1 - flag)
    assert fields[b"traceparent"].decode() == f"00-{THEIRS}-{identifier[16:]}-0{flag}"
    assert fields[b"tracestate"] == b"vendor=1"
    assert fields[b"x-request-id"] == b"mine"
    assert trace == Trace(THEIRS, identifier[16:], PARENT, sampled=bool(flag), random=False)


@pytest.mark.parametrize("parent", ["traceparent: nonsense\r\n", ""])
def test_a_broken_one_is_not_passed_on(tmp_path: Path, parent: str) -> None:
    fields, identifier, trace = asked(tmp_path, f"{parent}tracestate: vendor=1\r\n", sample=1)
    assert fields[b"traceparent"].decode() == f"00-{identifier}-{identifier[16:]}-03"
    assert b"tracestate" not in fields
    assert trace is not None


def test_where_none_are_made_a_clients_own_passes(tmp_path: Path) -> None:
    fields, _, trace = asked(tmp_path, f"traceparent: 00-{THEIRS}-{PARENT}-01\r\n")
    assert fields[b"traceparent"].decode() == f"00-{THEIRS}-{PARENT}-01"
    assert trace is None
