"""The room that a rollout's units take on the disk, and that it comes back."""

import random
from pathlib import Path

from gateway.controller.sqlite_state import SqliteStateStore
from gateway.ports import UnitChanges
from tests.contract.state_store_rollouts import save, step

_UNITS = 100_000
_BATCH = 1000
_ROW_BYTES = 60
_MOST_BYTES = 150


def _fill(path: Path) -> None:
    """Every unit has a row and an open period; half of each batch's rows are those of units seen before."""
    store, chance, known = SqliteStateStore.open(path, "a-store"), random.Random(11), list[bytes]()
    for start in range(1, _UNITS + 1, _BATCH):
        new = [chance.randbytes(16) for _ in range(_BATCH)]
        written = new + chance.sample(known, min(_BATCH, len(known)))
        rows = {unit: chance.randbytes(_ROW_BYTES) for unit in written}
        save(store, step(units=UnitChanges(rows, list(enumerate(new, start)))))
        known += new
    assert len(store.units("r1", known)) == len(store.queue("r1", 0, 2 * _UNITS)) == _UNITS
    store.close()


def test_a_unit_takes_at_most_150_bytes_and_gives_them_back(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    SqliteStateStore.open(path, "a-store").close()
    empty = path.stat().st_size
    _fill(path)
    filled = path.stat().st_size
    assert (filled - empty) / _UNITS <= _MOST_BYTES

    store = SqliteStateStore.open(path, "a-store")
    save(store, step(ended=True))
    assert store.queue("r1", 0, 1) == []
    gone, calls = 0, 0
    while found := store.forget_some(5000):
        assert found <= 5000
        gone, calls = gone + found, calls + 1
    store.close()
    assert (gone, calls) == (2 * _UNITS, 2 * _UNITS // 5000)
    assert path.stat().st_size <= empty + 16 * 4096
