"""Whose trace an exchange belongs to, by the W3C's rules."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ids import exchange_id
from gateway.core.tracecontext import Sampler

ID = exchange_id(1_760_000_000_000_000, b"\x12\x34\x56\x78\x9a\xbc\xde\xf0")
THEIRS = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True), ("02", False)])
@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_clients_trace_goes_on_as_it_says(flags: str, share: float, *, sampled: bool) -> None:
    found = Sampler(share).trace(ID, f"00-{THEIRS}-{PARENT}-{flags}".encode())
    assert (found.trace_id, found.parent_id, found.sampled) == (THEIRS, PARENT, sampled)
    assert found.span_id == ID[16:]
    assert found.header() == f"00-{THEIRS}-{ID[16:]}-{flags}".encode()


def test_a_later_version_may_say_more() -> None:
    assert Sampler(0.0).trace(ID, f"01-{THEIRS}-{PARENT}-01-more".encode()).trace_id == THEIRS


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"nonsense",
        f"00-{THEIRS.upper()}-{PARENT}-01".encode(),
        f"00-{'0' * 32}-{PARENT}-01".encode(),
        f"00-{THEIRS}-{'0' * 16}-01".encode(),
        f"ff-{THEIRS}-{PARENT}-01".encode(),
        f"00-{THEIRS}-{PARENT}-01-more".encode(),
        f"00-{THEIRS}-{PARENT}".encode(),
        f"00-{THEIRS}-{PARENT}-01\r\nx: y".encode(),
    ],
)
def test_what_is_no_trace_begins_one(header: bytes) -> None:
    found = Sampler(1.0).trace(ID, header)
    assert (found.trace_id, found.parent_id, found.sampled) == (ID, "", True)
    assert found.header() == f"00-{ID}-{ID[16:]}-03".encode(), "sampled, and random"


@given(st.binary())
def test_any_header_gives_a_trace(header: bytes) -> None:
    found = Sampler(0.5).trace(ID, header)
    assert len(found.trace_id) == 32
    assert int(found.trace_id, 16)


@pytest.mark.parametrize(
    ("share", "low", "high"), [(0.0, 0, 0), (0.01, 60, 150), (0.5, 4700, 5300), (1.0, 10_000, 10_000)]
)
def test_so_many_are_sampled(share: float, low: int, high: int) -> None:
    sampler = Sampler(share)
    taken = sum(sampler.trace(exchange_id(0, os.urandom(8)), None).sampled for _ in range(10_000))
    assert low <= taken <= high


def test_who_samples_more_keeps_what_others_keep() -> None:
    ids = [exchange_id(0, os.urandom(8)) for _ in range(1000)]
    few, many = ({each for each in ids if Sampler(share).trace(each, None).sampled} for share in (0.1, 0.4))
    assert few < many
