"""Texts that outlive the others: which, for how long, and what becomes of those that do not."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from gateway.curation.sampling import place
from gateway.scoring.longer import DAY_US, LongerTexts
from gateway.scoring.texts import LONGER, KeptText, KeptTexts
from tests.support.manual_clock import ManualClock
from tests.unit.scoring.making import NOW_US, identifier, kept

HOUR_US = 3_600_000_000
MIDNIGHT = NOW_US // DAY_US * DAY_US
DAY = 86_400


class Bench:
    """Texts of one writer under a clock that the test moves. `labelled`: what somebody has labelled."""

    def __init__(self, root: Path, *, sample: int = 4, days: float = 90, max_bytes: int = 1 << 30) -> None:
        self.root = root
        self.clock = ManualClock(MIDNIGHT)
        self.labelled: set[str] = set()
        longer = LongerTexts(
            root / "scorer-0" / LONGER,
            self.clock,
            usual_days=7,
            days=days,
            max_bytes=max_bytes,
            sample=sample,
            labelled=lambda ids: self.labelled & set(ids),
        )
        self.texts = KeptTexts(root, "scorer-0", self.clock, 7, 1 << 30, longer=longer)

    def put(self, number: int, *, hour: int = 0, arm: str = "stable", flagged: bool = False) -> str:
        text = kept(number, f"text {number}", MIDNIGHT + hour * HOUR_US + number)
        self.texts.put([msgspec.structs.replace(text, arm=arm, flagged=flagged)])
        return text.exchange_id

    def after(self, days: float) -> None:
        self.clock.advance(MIDNIGHT / 1e6 + days * DAY - self.clock.now_us() / 1e6)
        self.texts.purge()

    def there(self, *ids: str) -> list[bool]:
        reader = KeptTexts(self.root, None, self.clock, 7, 1 << 30)
        return [reader.get(each) is not None for each in ids]

    def days(self) -> list[Path]:
        return sorted((self.root / "scorer-0" / LONGER).glob("*"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_was_flagged_or_labelled_outlives_the_rest(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sample=0)
    plain, flagged, labelled = bench.put(0), bench.put(1, flagged=True), bench.put(2)
    bench.labelled.add(labelled)
    bench.after(6.9)
    assert bench.there(plain, flagged, labelled) == [True, True, True]
    bench.after(7.2)
    assert bench.there(plain, flagged, labelled) == [False, True, True]
    assert bench.texts.get(flagged) == msgspec.structs.replace(
        kept(1, "text 1", MIDNIGHT + 1), arm="stable", flagged=True
    )
    bench.after(89)
    assert bench.there(plain, flagged, labelled) == [False, True, True]
    bench.after(91.1)
    assert bench.there(plain, flagged, labelled) == [False, False, False]
    assert [path for path in bench.root.rglob("*") if path.is_file()] == []


def test_a_sample_of_the_rest_stays_the_same_number_of_each_arm(bench: Bench) -> None:
    """Whatever the hours in which they came: the lowest places of the whole day."""
    arms = {
        bench.put(number, hour=number % 24, arm="canary" if number % 10 == 0 else "stable"): number
        for number in range(200)
    }
    bench.after(9)
    stay = [each for each in arms if bench.there(each) == [True]]
    of_arm = {
        arm: [each for each, number in arms.items() if (number % 10 == 0) == (arm == "canary")]
        for arm in ("stable", "canary")
    }
    day = MIDNIGHT // DAY_US
    wanted = [each for ids in of_arm.values() for each in sorted(ids, key=lambda each: place(day, each))[:2]]
    assert sorted(stay) == sorted(wanted)
    assert Counter(arms[each] % 10 == 0 for each in stay) == {True: 2, False: 2}


def test_a_small_arm_leaves_its_room_to_the_other(bench: Bench) -> None:
    few = [bench.put(0, arm="canary")]
    many = [bench.put(number, hour=number % 5) for number in range(1, 60)]
    bench.after(9)
    assert bench.there(*few) == [True]
    assert sum(bench.there(*many)) == 3


def test_each_day_has_a_sample_of_its_own(bench: Bench) -> None:
    first = [bench.put(number, hour=1) for number in range(20)]
    second = [bench.put(number, hour=30) for number in range(20, 40)]
    bench.after(10)
    assert [sum(bench.there(*ids)) for ids in (first, second)] == [4, 4]
    assert len(bench.days()) == 2
    bench.after(91.5)
    assert [sum(bench.there(*ids)) for ids in (first, second)] == [0, 4]


def test_a_segment_that_is_taken_twice_counts_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [bench.put(number) for number in range(20)]

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.after(9)
    assert all(bench.there(*ids))
    bench.after(9)
    assert sum(bench.there(*ids)) == 4
    later = [bench.put(number, hour=2, arm="canary") for number in range(20, 40)]
    bench.after(9)
    assert [sum(bench.there(*each)) for each in (ids, later)] == [2, 2]


def test_too_much_goes_the_oldest_day_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_bytes=40_000)
    days = [
        [bench.put(100 * day + number, hour=24 * day, flagged=True) for number in range(20)] for day in range(4)
    ]
    bench.after(12)
    left = [any(bench.there(*ids)) for ids in days]
    assert left == sorted(left)
    assert (left[0], left[-1]) == (False, True)


def test_what_cannot_be_kept_now_waits(bench: Bench) -> None:
    flagged, plain = bench.put(0, flagged=True), bench.put(1)
    in_the_way = bench.root / "scorer-0" / LONGER
    in_the_way.touch()
    bench.after(9)
    assert bench.there(flagged, plain) == [True, True]
    in_the_way.unlink()
    bench.after(9.1)
    assert bench.there(flagged) == [True]
    assert [path.parent.name for path in bench.root.rglob("*.sqlite")] == [LONGER]


def test_a_text_that_comes_late_is_taken_too(bench: Bench) -> None:
    """Its segment has the name of one that went before."""
    first = bench.put(0, flagged=True)
    bench.after(9)
    late = bench.put(1, flagged=True)
    bench.after(9.1)
    assert bench.there(first, late) == [True, True]


def test_the_forgotten_are_forgotten_there_too(bench: Bench) -> None:
    first, second = bench.put(0, flagged=True), bench.put(1, flagged=True)
    bench.after(9)
    bench.texts.forget([first, identifier(99)])
    assert bench.there(first, second) == [False, True]
    assert {path.suffix for path in bench.days()} == {".sqlite"}


def test_a_text_from_before_there_were_samples_is_read(bench: Bench) -> None:
    old = msgspec.msgpack.encode({"exchange_id": "0" * 32, "model": "m", "turns": (), "answers": ()})
    assert msgspec.msgpack.decode(old, type=KeptText).flagged is False
