"""Counter files of a process that is killed while it writes, and read while it writes."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.telemetry import counterfile
from gateway.telemetry.counterfile import Counter, CounterFile, Reader

_WRITER = """
import sys
from pathlib import Path
from gateway.telemetry.counterfile import Counter, CounterFile, Histogram
file = CounterFile.open(Path(sys.argv[1]))
first, second = Counter(file, "first"), Counter(file, "second")
print("ready", flush=True)
number = int(second.value)
while True:
    number += 1
    first.inc()
    second.inc()
    if number % 10 == 0 and number < 20_000:
        Histogram(file, "h", (("number", str(number)),), (1.0, 2.0)).observe(1.5)
"""


@contextmanager
def writer(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def test_numbers_survive_kill_9_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "p.bin"
    before = 0.0
    for _ in range(8):
        with writer(path):
            reader = Reader(path)
            while _by_name(reader).get("first", 0.0) < before + 3000:
                pass
        values = _by_name(Reader(path))
        assert values["first"] - values["second"] in (0.0, 1.0)
        assert values["first"] >= before + 3000
        before = values["first"]
        file = CounterFile.open(path)  # the next run starts from equal numbers
        Counter(file, "second").inc(values["first"] - values["second"])
        file.close()


def test_a_reader_beside_a_writer_sees_whole_series_that_only_grow(tmp_path: Path) -> None:
    path = tmp_path / "p.bin"
    with writer(path):
        reader, last, count = Reader(path), 0.0, 0
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            series = list(reader.read())
            values = {each.name: numbers for each, numbers in series}
            assert values["first"][0] >= last
            last = values["first"][0]
            assert len(series) >= count
            count = len(series)
            assert all(each.bounds == (1.0, 2.0) for each, _ in series if each.name == "h")
        assert count > 100
        assert len(list(counterfile.read(path))) >= count


def _by_name(reader: Reader) -> dict[str, float]:
    return {series.name: values[0] for series, values in reader.read()}
