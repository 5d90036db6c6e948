"""`tipstaff tail`: what it begins with, what it follows with, what it shows and what it never shows."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from classifiers.verdict import Finding
from gateway.cli import app
from gateway.clock import SystemClock
from gateway.commands import tail
from gateway.commands.tail import Tail, Wanted, json_line, line
from gateway.datafolder import prepare
from gateway.events.codec import from_json
from gateway.events.schema import Event, ExchangeV1, VerdictV1
from gateway.events.sqlite import SqliteEventLog
from gateway.layout import DataFolder
from gateway.ports import Entry
from gateway.processlock import DataFolderError
from tests.support.events import audit, decision, exchange, feedback, verdict


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    prepare(folder)
    return folder


@pytest.fixture
def log(data: DataFolder) -> Iterator[SqliteEventLog]:
    with closing(SqliteEventLog(data.log, "p", SystemClock())) as opened:
        yield opened


def harmless(number: int, model: str = "assistant") -> VerdictV1:
    one = verdict(number)
    upheld = tuple(msgspec.structs.replace(each, finding=Finding.UPHOLDS) for each in one.verdict.findings)
    found = msgspec.structs.replace(one.verdict, findings=upheld, provocations=(), severity=None, deciding=None)
    return msgspec.structs.replace(one, verdict=found, model=model)


def ids(entries: list[Entry]) -> list[int]:
    return [int(str(getattr(entry.event, "exchange_id", entry.event.id)), 16) for entry in entries]


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["tail", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_it_begins_with_the_last_of_all_processes_in_canonical_order(data: DataFolder, log: SqliteEventLog) -> None:
    with closing(SqliteEventLog(data.log, "q", SystemClock())) as other:
        for number in range(0, 10, 2):
            log.append("feedback", [feedback(number)])
            other.append("feedback", [feedback(number + 1)])
    found = Tail(data.root, "feedback", Wanted())
    entries = found.last(3)
    assert [entry.sequence for entry in entries] == [3, 4, 4]
    assert [entry.time_us for entry in entries] == sorted(entry.time_us for entry in entries)
    assert found.last(0) == []


def test_filters_look_further_back_than_they_show(data: DataFolder, log: SqliteEventLog) -> None:
    log.append("verdicts", [verdict(1), *(harmless(number) for number in range(2, 500)), verdict(500)])
    assert ids(Tail(data.root, "verdicts", Wanted(violations=True)).last(10)) == [1, 500]
    assert ids(Tail(data.root, "verdicts", Wanted()).last(2)) == [499, 500]


def test_a_long_history_is_not_read(data: DataFolder, log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "LOOK_BACK", 100)
    log.append("verdicts", [verdict(1), *(harmless(number) for number in range(2, 1000))])
    looked_at: list[Event] = []

    def fits(_: Wanted, event: Event) -> bool:
        looked_at.append(event)
        return False

    monkeypatch.setattr(Wanted, "fits", fits)
    assert Tail(data.root, "verdicts", Wanted(violations=True)).last(10) == []
    assert len(looked_at) == 100


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (Wanted(), [1, 2, 3]),
        (Wanted(violations=True), [1]),
        (Wanted(principle="weapons"), [1]),
        (Wanted(principle="honesty"), []),
        (Wanted(model="assistant"), [1, 2]),
        (Wanted(model="other"), [3]),
        (Wanted(arm="stable"), [1, 2, 3]),
        (Wanted(arm="canary"), []),
        (Wanted(exchange=f"{2:032x}"), [2]),
        (Wanted(model="other", violations=True), []),
    ],
)
def test_what_fits(data: DataFolder, log: SqliteEventLog, wanted: Wanted, shown: list[int]) -> None:
    log.append("verdicts", [verdict(1), harmless(2), harmless(3, "other")])
    assert ids(Tail(data.root, "verdicts", wanted).last(10)) == shown


def test_lines_for_people() -> None:
    at = 1_760_000_000_123_456
    assert line(Entry("p", 0, at, verdict(5))).startswith(
        f"2025-10-09 08:53:20.123  assistant    stable    {5:032x}  violates weapons (critical)"
    )
    assert line(Entry("p", 0, at, harmless(5))).endswith("no violation found")
    assert "200 complete, " in line(Entry("p", 0, at, exchange(5)))
    assert line(Entry("p", 0, at, decision(1))).endswith("  assistant    weights   alice: first step")
    assert line(Entry("p", 0, at, feedback(1))).endswith(f"  {1:032x}  thumbs = 1")
    assert line(Entry("p", 0, at, audit(1))).endswith(f"  alice        viewed         {1:032x}: allowed")


def test_a_reason_keeps_to_its_line() -> None:
    said = line(Entry("p", 0, 0, replace(decision(1), reason="one\nline\x1b[2J")))
    assert said.endswith("alice: one\ufffdline\ufffd[2J")


def test_text_is_never_shown(data: DataFolder, log: SqliteEventLog) -> None:
    log.append("exchanges", [exchange(1, b"SECRET ANSWER", b"SECRET QUESTION")])
    for more in ((), ("--json",)):
        code, out, _ = run("exchanges", "--data", str(data.root), "--no-follow", *more)
        assert code == 0
        assert "SECRET" not in out
        assert f"{1:032x}" in out


def test_json_is_what_others_get(data: DataFolder, log: SqliteEventLog) -> None:
    events = [verdict(1), harmless(2)]
    log.append("verdicts", events)
    _, out, _ = run("--data", str(data.root), "--no-follow", "--json")
    assert [from_json(each) for each in out.splitlines()] == events
    bare = from_json(json_line(Entry("p", 0, 1, exchange(1))))
    assert isinstance(bare, ExchangeV1)
    assert (bare.request.kept, bare.request.size) == (None, exchange(1).request.size)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("verdict",), 2, "there are exchanges, verdicts"),
        (("audit", "--arm", "stable"), 2, "--arm means nothing in audit: it is for verdicts, exchanges"),
        (("feedback", "--violations"), 2, "--violations means nothing in feedback"),
        (("--data", "/nowhere"), 4, "no data folder at /nowhere"),
    ],
)
def test_what_cannot_be_meant(data: DataFolder, arguments: tuple[str, ...], code: int, words: str) -> None:
    given = arguments if "--data" in arguments else (*arguments, "--data", str(data.root))
    found, _, err = run(*given)
    assert (found, words in err) == (code, True), err


def test_a_folder_of_another_format_is_refused(data: DataFolder) -> None:
    data.format.write_text("99\n")
    with pytest.raises(DataFolderError, match="format '99'"):
        Tail(data.root, "verdicts", Wanted())
