"""Each step of a migration, over files as the older format wrote them."""

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from gateway.controller.index import ExchangeIndex
from gateway.datafolder import prepare
from gateway.formats import texts_know_their_stratum
from gateway.layout import DataFolder
from gateway.scoring.texts import KeptText, KeptTexts
from tests.support.manual_clock import ManualClock
from tests.unit.controller.support import START, entries, upheld, verdict_event

OLD = "CREATE TABLE IF NOT EXISTS texts (id BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    found = DataFolder(tmp_path / "data")
    prepare(found)
    return found


def old_segment(data: DataFolder, *ids: str) -> Path:
    path = data.texts / "scorer-0" / f"{START // 3_600_000_000:010d}-0000.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(OLD)
        for each in ids:
            body = zlib.compress(msgspec.msgpack.encode(KeptText(each, "assistant", (), ())))
            connection.execute("INSERT INTO texts VALUES (?, ?)", (bytes.fromhex(each), body))
        connection.commit()
    return path


def rows(path: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT stratum, flagged FROM texts ORDER BY id").fetchall()


def test_texts_learn_what_the_list_of_exchanges_knows(data: DataFolder) -> None:
    clock = ManualClock(START)
    events = [verdict_event(0), verdict_event(1, upheld("harm"), arm="canary")]
    index = ExchangeIndex.open(data.index, clock)
    index.add(entries(events), {})
    index.close()
    ids = [*(event.exchange_id for event in events), "f" * 32]
    path = old_segment(data, *ids)
    for _ in range(2):  # a step that died half-way is done again
        texts_know_their_stratum(data)
        assert rows(path) == [("assistant\tstable", 0), ("assistant\tcanary", 1), ("", 0)]
    texts = KeptTexts(data.texts, "scorer-0", clock, 7, 1 << 20)
    assert all(texts.get(each) for each in ids[:2])
    later = KeptText(verdict_event(2).exchange_id, "assistant", (), ())
    texts.put([later])
    assert texts.get(later.exchange_id) == later
    texts.close()
    assert len(rows(path)) == 4


def test_without_a_list_they_are_as_usual(data: DataFolder) -> None:
    path = old_segment(data, "a" * 32)
    texts_know_their_stratum(data)
    assert rows(path) == [("", 0)]


def test_a_segment_without_a_table_is_passed_over(data: DataFolder) -> None:
    path = old_segment(data)
    path.unlink()
    path.touch()
    texts_know_their_stratum(data)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("broken", ["index", "segment"])
def test_what_is_no_database_stops_nobody(data: DataFolder, broken: str) -> None:
    path, other = old_segment(data, "a" * 32), data.texts / "scorer-0" / "0000000001-0000.sqlite"
    data.index.parent.mkdir(parents=True, exist_ok=True)
    (data.index if broken == "index" else other).write_bytes(b"no database" * 1000)
    texts_know_their_stratum(data)
    assert rows(path) == [("", 0)]
