"""The ledger's identity holds whatever was read, lost and dropped."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.events import ledger
from gateway.events.ledger import Account
from gateway.events.losses import Loss

ranges = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: Loss(min(pair), max(pair), "corrupt"))


@st.composite
def accounts(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, dict[str, Account]]]:
    ends = draw(st.dictionaries(st.sampled_from("pqr"), st.integers(0, 50)))
    of = {
        consumer: {
            name: Account(draw(st.integers(0, end)), tuple(draw(st.lists(ranges, max_size=4))))
            for name, end in ends.items()
        }
        for consumer in draw(st.sets(st.sampled_from("xy")))
    }
    return ends, of


@given(accounts(), st.integers(0, 10), st.dictionaries(st.sampled_from(["crash", "queue_full"]), st.integers(0, 9)))
def test_started_is_always_accounted_for(
    drawn: tuple[dict[str, int], dict[str, dict[str, Account]]], in_flight: int, dropped: dict[str, int]
) -> None:
    ends, of = drawn
    started = sum(ends.values()) + sum(dropped.values()) + in_flight
    book = ledger.balance("exchanges", started=started, dropped=dropped, ends=ends, accounts=of)
    assert book.balanced
    assert book.in_flight == in_flight
    for side in book.consumers.values():
        assert side.delivered + side.spooled + side.lost == book.appended
        assert side.lost <= book.appended
