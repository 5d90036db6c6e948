"""Counter files: what they hold, over reopening, damage, other versions and a full disk."""

import os
import stat
from pathlib import Path

import pytest

from gateway.telemetry import counterfile
from gateway.telemetry.counterfile import Counter, CounterFile, CounterFileFull, Gauge, Histogram, Reader

LABELS = (("stream", "exchanges"), ("reason", "crash"))


def numbers(path: Path) -> dict[str, list[float]]:
    return {series.name: values for series, values in counterfile.read(path)}


def fill(file: CounterFile, count: int, bounds: tuple[float, ...] = ()) -> None:
    for number in range(count):
        Histogram(file, f"a_rather_long_name_for_a_series_{number}", (), bounds)


def test_counters_gauges_and_histograms_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "counters" / "p.bin"
    file = CounterFile.open(path)
    Counter(file, "c", LABELS).inc(2)
    Gauge(file, "g").set(-1.5)
    histogram = Histogram(file, "h", (), (0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 1.0, 7.0):
        histogram.observe(value)
    assert numbers(path) == {"c": [2.0], "g": [-1.5], "h": [2.0, 2.0, 1.0, pytest.approx(8.65)]}
    series = next(iter(counterfile.read(path)))[0]
    assert (series.kind, series.labels) == ("counter", LABELS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.close()


def test_reopening_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "p.bin"
    file = CounterFile.open(path)
    Counter(file, "c").inc(3)
    file.close()
    file.close()
    file = CounterFile.open(path)
    counter = Counter(file, "c")
    counter.inc()
    Counter(file, "d").inc()
    assert counter.value == 4.0
    assert numbers(path) == {"c": [4.0], "d": [1.0]}
    file.close()


def test_one_series_whoever_asks_for_it(tmp_path: Path) -> None:
    file = CounterFile.open(tmp_path / "p.bin")
    Counter(file, "c", LABELS).inc()
    Counter(file, "c", LABELS).inc()
    Counter(file, "c").inc()
    assert sorted(values[0] for _, values in counterfile.read(file.path)) == [1.0, 2.0]
    file.close()


def test_a_histogram_with_other_buckets_gets_slots_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "p.bin"
    file = CounterFile.open(path)
    Histogram(file, "h", (), (1.0, 2.0, 3.0)).observe(9.0)
    file.close()
    file = CounterFile.open(path)
    Histogram(file, "h", (), (1.0,)).observe(0.5)
    file.close()
    file = CounterFile.open(path)  # both stand in the file: what is added next must overlap neither
    Counter(file, "c").inc(5)
    assert [values for _, values in counterfile.read(path)] == [[0, 0, 0, 1, 9.0], [1, 0, 0.5], [5.0]]
    file.close()


def test_a_reader_sees_series_that_come_later(tmp_path: Path) -> None:
    file = CounterFile.open(tmp_path / "p.bin")
    reader = Reader(file.path)
    assert list(reader.read()) == []
    Counter(file, "a").inc()
    assert [series.name for series, _ in reader.read()] == ["a"]
    Counter(file, "b").inc()
    assert [(series.name, values) for series, values in reader.read()] == [("a", [1.0]), ("b", [1.0])]
    file.close()


def test_a_full_file_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    file = CounterFile.open(tmp_path / "p.bin")
    first = Counter(file, "first")
    with pytest.raises(CounterFileFull, match="too many label values"):
        fill(file, count=100, bounds=tuple(float(number) for number in range(2000)))
    first.inc()
    assert numbers(file.path)["first"] == [1.0]
    file.close()


def test_keys_lost_with_the_power_end_the_file_there(tmp_path: Path) -> None:
    path = tmp_path / "p.bin"
    file = CounterFile.open(path)
    Counter(file, "kept").inc(7)
    reader = Reader(path)
    Counter(file, "torn").inc(9)
    assert len(list(reader.read())) == 2
    file.close()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"torn"', bytes(6)))

    file = CounterFile.open(path)
    assert numbers(path) == {"kept": [7.0]}
    assert Counter(file, "new").value == 0.0
    assert {series.name: values for series, values in reader.read()} == {"kept": [7.0], "new": [0.0]}
    file.close()


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.bin"
    CounterFile.open(path).close()
    with path.open("r+b") as file:
        file.seek(8)
        file.write(b"\x09")
    with pytest.raises(ValueError, match="another format"):
        CounterFile.open(path)


def test_a_file_that_is_none_of_ours_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.bin"
    path.write_bytes(b"something else" * 100)
    assert list(counterfile.read(path)) == []


def test_the_numbers_have_their_room_on_the_disk_before_they_are_written(tmp_path: Path) -> None:
    """A store into a hole of a full disk would kill the process with a bus error."""
    file = CounterFile.open(tmp_path / "p.bin")
    assert file.path.stat().st_blocks * 512 >= counterfile._KEYS_AT
    fill(file, count=1500)
    assert file.path.stat().st_blocks * 512 >= counterfile._KEYS_AT + file._used
    file.close()


def test_a_disk_without_room_for_keys_is_a_full_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = CounterFile.open(tmp_path / "p.bin")
    known = Counter(file, "known")

    def no_room(descriptor: int, start: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(CounterFileFull, match="No space left"):
        fill(file, count=1500)
    known.inc()
    assert numbers(file.path)["known"] == [1.0]
    file.close()
