"""Raw records of a worker that is no more: gone once they are scored, as if it still looked after them."""

from functools import partial

from gateway.events.policy import RAW
from gateway.events.retired import tidy_gathered, tidy_retired
from gateway.events.schema import Stream
from gateway.events.sqlite import SqliteEventLog
from gateway.ports import Entry
from tests.support.events import exchange, verdict
from tests.unit.events.conftest import Bench

CONSUMERS: dict[Stream, frozenset[str]] = {
    "exchanges": frozenset({"scorer-0"}),
    "verdicts": frozenset({"scorer-0"}),
}


def opened(bench: Bench, producer: str) -> SqliteEventLog:
    return bench.open(producer, consumers=CONSUMERS)


def read(bench: Bench, producer: str, position: int, stream: Stream = "exchanges") -> None:
    with_scorer = bench.open("scorer-0")
    with_scorer.append("audit", (), {stream: {producer: position}})
    with_scorer.close()


def kept(bench: Bench, producer: str) -> int:
    return len(bench.open(None).read("exchanges", {producer: 0}, 100).entries)


def test_what_is_consumed_goes_and_what_is_not_stays(bench: Bench) -> None:
    log = opened(bench, "proxy-1")
    log.append("exchanges", [exchange(0), exchange(1)])
    log.close()
    tidy = partial(tidy_retired, bench.root, "exchanges", ("proxy-0",), partial(opened, bench))
    tidy()
    assert kept(bench, "proxy-1") == 2
    read(bench, "proxy-1", 2)
    bench.clock.advance(2)
    tidy()
    assert kept(bench, "proxy-1") == 0
    assert opened(bench, "proxy-1").appended("exchanges") == 2


def test_what_is_old_of_other_gateways_goes_where_nobody_gathers_any_more(bench: Bench) -> None:
    gathered = bench.open("scorer-0@east")
    gathered.adopt("verdicts", [Entry("scorer-0@east", 0, bench.clock.now_us(), verdict(1))])
    gathered.close()
    read(bench, "scorer-0@east", 1, "verdicts")
    for seconds, left in ((0, 1), (500 * 86_400, 0)):
        bench.clock.advance(seconds)
        tidy_gathered(bench.root, partial(opened, bench))
        assert len(bench.open(None).read("verdicts", {}, 100).entries) == left


def test_whoever_lives_is_left_alone(bench: Bench) -> None:
    log = opened(bench, "proxy-0")
    log.append("exchanges", [exchange(0)])
    read(bench, "proxy-0", 1)
    bench.clock.advance(2)
    for living in (("proxy-0",), ()):  # also one that somebody else has configured
        tidy_retired(bench.root, "exchanges", living, partial(opened, bench))
        assert kept(bench, "proxy-0") == 1
    assert RAW.keep_seconds == 0
