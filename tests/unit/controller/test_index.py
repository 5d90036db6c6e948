import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from classifiers.verdict import Severity, Why
from gateway.controller.exchange_query import Cursor, ExchangeFilter, ExchangeRow
from gateway.controller.index import ExchangeIndex
from gateway.controller.rates import ArmCounts, PrincipleCounts
from gateway.controller.sqlite_file import QueryTooSlow
from gateway.events.schema import VerdictV1
from tests.support.manual_clock import ManualClock
from tests.unit.controller.support import HOUR, START, entries, unread, upheld, verdict_event


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def index(tmp_path: Path, clock: ManualClock) -> Iterator[ExchangeIndex]:
    index = ExchangeIndex.open(tmp_path / "index.sqlite", clock)
    yield index
    index.close()


def every_kind(count: int = 300) -> list[VerdictV1]:
    """Verdicts of all kinds, in random order of kind, some of them at the same microsecond."""
    random = Random(7)
    verdicts = [
        upheld(),
        upheld("harm"),
        upheld("honesty", severity=Severity.LOW, provocations=("harm",)),
        upheld("harm", "honesty", severity=Severity.CRITICAL),
        upheld(provocations=("harm",), refusal=True),
        upheld(refusal=True, over_refusal=True),
        upheld(refusal=None, over_refusal=None),
        unread(),
        unread(Why.UNDECODABLE),
    ]
    return [
        verdict_event(
            number,
            random.choice(verdicts),
            time_us=START + number // 3 * 1_000_000,
            arm=random.choice(("stable", "canary")),
            model=random.choice(("assistant", "org/other")),
            status=random.choice((200, 200, 404, 502)),
            forced=random.random() < 0.1,
        )
        for number in range(count)
    ]


def test_an_exchange_is_listed_and_found_whole(index: ExchangeIndex) -> None:
    event = verdict_event(1, upheld("harm", provocations=("harm",)), arm="canary", served="stable")
    assert index.add(entries([event]), {"scorer-0": 1}) == 1
    (row,) = index.find(ExchangeFilter(), 10)
    assert row == ExchangeRow(
        id=event.exchange_id,
        time_us=event.time_us,
        model="assistant",
        arm="canary",
        served="stable",
        route="chat_completions",
        status=200,
        reason="complete",
        streamed=True,
        forced=False,
        unit_kind="user",
        unit=event.assignment.unit_hash.hex(),
        severity=Severity.HIGH,
        deciding="harm",
        violated=("harm",),
        provoked=("harm",),
        refusal=False,
        over_refusal=False,
        not_evaluated=None,
        first_byte_seconds=0.2,
        total_seconds=1.5,
        request_bytes=100,
        response_bytes=900,
    )
    assert index.verdict(event.exchange_id) == event
    assert index.verdict("0" * 32) is None


def test_what_comes_again_counts_once(index: ExchangeIndex) -> None:
    events = every_kind()
    assert index.add(entries(events), {"scorer-0": len(events)}) == len(events)
    before = index.rates("assistant", 0)
    assert index.add(entries([*events, *events]), {"scorer-0": len(events)}) == 0
    assert index.rates("assistant", 0) == before


def test_rows_and_positions_come_together_or_not_at_all(tmp_path: Path, clock: ManualClock) -> None:
    index = ExchangeIndex.open(tmp_path / "index.sqlite", clock)
    index.add(entries([verdict_event(1)]), {"scorer-0": 1})
    with pytest.raises(sqlite3.IntegrityError):
        index.add(entries([verdict_event(2)]), {"scorer-0": None})  # type: ignore[dict-item]
    index.close()
    again = ExchangeIndex.open(tmp_path / "index.sqlite", clock)
    assert again.positions() == {"scorer-0": 1}
    assert len(again.find(ExchangeFilter(), 10)) == 1
    assert again.rates("assistant", 0).arms[0].exchanges == 1
    again.close()


def wanted_by(event: VerdictV1, wanted: ExchangeFilter) -> bool:
    """The filter's meaning, said a second time and plainly."""
    verdict, assignment = event.verdict, event.assignment
    violated = [found.principle for found in verdict.violations]
    listed = {
        None: True,
        "violates": bool(violated),
        "provocation": bool(verdict.provocations),
        "not_evaluated": verdict.not_evaluated is not None,
    }[wanted.finding]
    if wanted.principle is not None:
        names = verdict.provocations if wanted.finding == "provocation" else violated
        listed = wanted.principle in names
    return (
        listed
        and wanted.model in (None, event.model)
        and wanted.arm in (None, assignment.assigned)
        and wanted.status in (None, event.status)
        and wanted.forced in (None, assignment.forced)
        and (wanted.refusal is None or wanted.refusal is verdict.refusal)
        and (wanted.over_refusal is None or wanted.over_refusal is verdict.over_refusal)
        and (
            wanted.severity is None
            or (verdict.severity is not None and verdict.severity.rank >= wanted.severity.rank)
        )
        and (wanted.since_us is None or event.time_us >= wanted.since_us)
        and (wanted.until_us is None or event.time_us < wanted.until_us)
    )


FILTERS = [
    ExchangeFilter(),
    ExchangeFilter(model="assistant"),
    ExchangeFilter(arm="canary"),
    ExchangeFilter(model="org/other", arm="canary"),
    ExchangeFilter(principle="harm"),
    ExchangeFilter(principle="harm", finding="violates", arm="canary", severity=Severity.CRITICAL),
    ExchangeFilter(principle="harm", finding="provocation", model="assistant", refusal=True),
    ExchangeFilter(finding="violates"),
    ExchangeFilter(finding="provocation"),
    ExchangeFilter(finding="not_evaluated"),
    ExchangeFilter(severity=Severity.LOW),
    ExchangeFilter(severity=Severity.HIGH, arm="stable"),
    ExchangeFilter(refusal=True),
    ExchangeFilter(refusal=False, finding="violates"),
    ExchangeFilter(over_refusal=True),
    ExchangeFilter(over_refusal=False),
    ExchangeFilter(status=200),
    ExchangeFilter(status=502, model="assistant"),
    ExchangeFilter(forced=True),
    ExchangeFilter(forced=False, arm="canary"),
    ExchangeFilter(since_us=START + 20_000_000, until_us=START + 60_000_000),
    ExchangeFilter(principle="honesty", since_us=START + 20_000_000, until_us=START + 60_000_000),
    ExchangeFilter(severity=Severity.LOW, since_us=START + 20_000_000),
]


@pytest.mark.parametrize("wanted", FILTERS)
def test_every_filter_means_what_it_says_page_by_page(index: ExchangeIndex, wanted: ExchangeFilter) -> None:
    events = every_kind()
    index.add(entries(events), {})
    expected = sorted(
        ((event.time_us, event.exchange_id) for event in events if wanted_by(event, wanted)), reverse=True
    )
    assert expected, "a filter that finds nothing shows nothing"
    found: list[ExchangeRow] = []
    while page := index.find(wanted, 7, Cursor(found[-1].time_us, found[-1].id) if found else None):
        found += page
    assert [(row.time_us, row.id) for row in found] == expected


def test_paging_stands_still_while_new_ones_arrive(index: ExchangeIndex) -> None:
    events = every_kind(40)
    index.add(entries(events[:30]), {})
    first = index.find(ExchangeFilter(), 10)
    index.add(entries(events[30:]), {})
    second = index.find(ExchangeFilter(), 10, Cursor(first[-1].time_us, first[-1].id))
    listed = [(row.time_us, row.id) for row in (*first, *second)]
    assert all(later > earlier for later, earlier in pairwise(listed))
    assert {row.id for row in second} <= {event.exchange_id for event in events[:30]}


def test_a_principle_was_never_not_evaluated_by_itself(index: ExchangeIndex) -> None:
    with pytest.raises(ValueError, match="leave principle out"):
        index.find(ExchangeFilter(principle="harm", finding="not_evaluated"), 10)


def test_rates_are_counts_by_assigned_arm(index: ExchangeIndex) -> None:
    index.add(
        entries(
            [
                verdict_event(1, upheld("harm"), arm="canary", unit="ann"),
                verdict_event(2, upheld(provocations=("harm",), refusal=True), arm="canary", unit="ann"),
                verdict_event(
                    3, upheld(refusal=True, over_refusal=True), arm="canary", served="stable", unit="bob"
                ),
                verdict_event(4, unread(), arm="canary", unit="cid", status=502),
                verdict_event(5, upheld("harm", "honesty"), arm="canary", unit="dan", forced=True),
                verdict_event(6, arm="stable"),
                verdict_event(7, arm="stable", model="other"),
            ]
        ),
        {},
    )
    canary, stable = index.rates("assistant", 0).arms
    assert canary == ArmCounts(
        arm="canary",
        principles=(PrincipleCounts("harm", 3, 1, 1), PrincipleCounts("honesty", 3, 0, 0)),
        units=3,
        exchanges=4,
        evaluated=3,
        not_evaluated=1,
        violating=1,
        refusal_evaluated=3,
        refusals=2,
        over_refusal_evaluated=3,
        over_refusals=1,
        upstream_errors=1,
        failed_over=1,
        forced=1,
    )
    assert (stable.exchanges, stable.units) == (1, 1)


def test_a_model_that_there_is_not_is_listed_and_counted_nowhere(index: ExchangeIndex) -> None:
    index.add(entries([verdict_event(1, model="whatever a client sent", arm="", status=404)]), {})
    assert len(index.find(ExchangeFilter(), 10)) == 1
    assert index.rates("whatever a client sent", 0).arms == ()


def test_rates_since_an_hour_leave_earlier_ones_out(index: ExchangeIndex) -> None:
    early = verdict_event(1, upheld("harm"), unit="ann", time_us=START - HOUR)
    late = verdict_event(2, unit="ann", time_us=START + 5)
    later = verdict_event(3, unit="bob", time_us=START - HOUR + 7)
    for event in (early, late, later):
        index.add(entries([event]), {})
    (arm,) = index.rates("assistant", START + 10).arms
    assert (arm.exchanges, arm.violating, arm.units) == (1, 0, 1)
    (arm,) = index.rates("assistant", 0).arms
    assert (arm.exchanges, arm.violating, arm.units) == (3, 1, 2)
    assert index.rates("nobody", 0).arms == ()


def test_what_is_too_old_goes_from_lists_and_counts(index: ExchangeIndex) -> None:
    old = verdict_event(1, upheld("harm"), unit="ann", time_us=START - 2 * HOUR)
    new = verdict_event(2, upheld("harm"), unit="bob")
    index.add(entries([old, new]), {"scorer-0": 2})
    assert index.purge(START) == 1
    assert index.purge(START) == 0
    assert [row.id for row in index.find(ExchangeFilter(), 10)] == [new.exchange_id]
    assert [row.id for row in index.find(ExchangeFilter(principle="harm"), 10)] == [new.exchange_id]
    (arm,) = index.rates("assistant", 0).arms
    assert (arm.exchanges, arm.units, arm.principles[0].violations) == (1, 1, 1)
    assert index.positions() == {"scorer-0": 2}


def test_a_damaged_index_is_set_aside_and_made_anew(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 1000)
    index = ExchangeIndex.open(tmp_path / "index.sqlite", clock)
    assert index.positions() == {}
    assert (tmp_path / "index.damaged").exists()
    index.close()


def test_a_query_has_a_deadline(tmp_path: Path) -> None:
    class Racing(ManualClock):
        def monotonic(self) -> float:
            self.seconds += 3
            return self.seconds

    index = ExchangeIndex.open(tmp_path / "index.sqlite", Racing())
    index.add(entries(every_kind(2000)), {})
    with pytest.raises(QueryTooSlow):
        index.find(ExchangeFilter(), 10_000)
    index.close()
