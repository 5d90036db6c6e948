"""The account of a stream, from numbers and from files."""

from pathlib import Path

from gateway.events import ledger
from gateway.events.ledger import Account, Delivery
from gateway.events.losses import Loss
from gateway.events.schema import Stream
from gateway.telemetry.counterfile import CounterFile
from gateway.telemetry.metrics import DROPPED, STARTED, Meters
from tests.support.events import audit, exchange
from tests.unit.events.conftest import Bench

CONSUMERS: dict[Stream, frozenset[str]] = {"exchanges": frozenset({"scorer-0"})}


def test_every_started_event_is_somewhere() -> None:
    book = ledger.balance(
        "exchanges",
        started=100,
        dropped={"crash": 3, "queue_full": 2, "corrupt": 5, "disk_full": 0},
        ends={"proxy-0": 50, "proxy-1": 40},
        accounts={"scorer-0": {"proxy-0": Account(30, (Loss(20, 25, "corrupt"),)), "proxy-1": Account(40)}},
    )
    assert book.appended == 90
    assert book.dropped == {"crash": 3, "queue_full": 2}
    assert book.in_flight == 5
    assert book.consumers == {"scorer-0": Delivery(delivered=65, spooled=20, lost=5)}
    assert book.balanced
    assert not book.settled


def test_a_quiet_end_is_settled() -> None:
    accounts = {"c": {"p": Account(10)}}
    book = ledger.balance("audit", started=12, dropped={"crash": 2}, ends={"p": 10}, accounts=accounts)
    assert book.settled


def test_more_in_the_log_than_was_started_is_no_balance() -> None:
    assert not ledger.balance("audit", started=9, dropped={}, ends={"p": 10}, accounts={}).balanced


def test_more_delivered_than_appended_is_no_balance() -> None:
    accounts = {"c": {"p": Account(11)}}
    assert not ledger.balance("audit", started=10, dropped={}, ends={"p": 10}, accounts=accounts).balanced


def test_without_starts_counted_nothing_is_in_flight() -> None:
    book = ledger.balance("audit", started=None, dropped={"disk_full": 1}, ends={"p": 10}, accounts={})
    assert (book.started, book.in_flight) == (11, 0)


def test_losses_that_overlap_or_lie_ahead_are_counted_once() -> None:
    lost = (Loss(5, 10, "corrupt"), Loss(7, 12, "corrupt"), Loss(90, 95, "corrupt"))
    accounts = {"c": {"p": Account(50, lost)}}
    book = ledger.balance("audit", started=100, dropped={}, ends={"p": 100}, accounts=accounts)
    assert book.consumers["c"] == Delivery(delivered=43, spooled=45, lost=12)


def test_a_consumer_that_has_not_begun_has_everything_before_it(bench: Bench) -> None:
    bench.open("proxy-0").append("exchanges", [exchange(1), exchange(2)])
    book = ledger.read(bench.root, bench.root / "none", CONSUMERS)["exchanges"]
    assert book.consumers == {"scorer-0": Delivery(delivered=0, spooled=2, lost=0)}


def test_it_is_read_from_the_files_of_all_processes(bench: Bench, tmp_path: Path) -> None:
    for worker in range(2):
        name = f"proxy-{worker}"
        file = CounterFile.open(tmp_path / "counters" / f"{name}.bin")
        meters = Meters(file)
        meters.counter(STARTED, "exchanges").inc(5)
        meters.counter(DROPPED, "exchanges", "crash").inc(1)
        file.close()
        bench.open(name).append("exchanges", [exchange(number) for number in range(3)])
    (tmp_path / "counters" / "being-made.bin").touch()
    bench.open("scorer-0").append("verdicts", [], {"exchanges": {"proxy-0": 3, "proxy-1": 1}})
    bench.open("controller").append("audit", [audit(1)])
    books = ledger.read(bench.root, tmp_path / "counters", CONSUMERS)
    book = books["exchanges"]
    assert (book.started, book.dropped, book.appended, book.in_flight) == (10, {"crash": 2}, 6, 2)
    assert book.consumers == {"scorer-0": Delivery(delivered=4, spooled=2, lost=0)}
    assert (books["audit"].appended, books["feedback"].appended) == (1, 0)


def test_what_was_read_is_appended_though_its_writer_died_before_showing_it(bench: Bench) -> None:
    log = bench.open("proxy-0")
    log.append("exchanges", [exchange(1)])
    log.close()
    (bench.root / "exchanges" / "proxy-0" / "tip").write_bytes(bytes(64))
    bench.open("scorer-0").append("verdicts", [], {"exchanges": {"proxy-0": 1}})
    book = ledger.read(bench.root, bench.root / "none", CONSUMERS)["exchanges"]
    assert book.appended == 1
    assert book.balanced
