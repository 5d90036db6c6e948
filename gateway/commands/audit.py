"""What `tipstaff rollout bundle`, `verify` and `what-if` do, and `tipstaff replay`."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import IO
from urllib.parse import quote

import msgspec

from classifiers import constitution
from gateway import __version__
from gateway.commands.adminclient import AdminClient
from gateway.commands.rollout import plan_of
from gateway.commands.words import moment
from gateway.controller.bundle import bundle
from gateway.controller.bundle_file import BundleFile
from gateway.controller.record import read_record
from gateway.controller.verification import Check, verify
from gateway.controller.what_if import Past, of_bundle, of_file
from gateway.layout import DataFolder
from gateway.rollout.observation import Observation
from gateway.rollout.plan import Plan, parse
from gateway.rollout.whatif import Saying, what_if

_SUFFIX = ".zip"


class Source(msgspec.Struct, frozen=True):
    """Where a rollout is: `wanted` names it, or a bundle's file; in `data`, a data folder, or else by `client`."""

    wanted: str
    client: AdminClient
    data: Path | None = None


class Telling(msgspec.Struct, frozen=True):
    """What another plan says of a past. `reading`: seconds for reading and decoding, `deciding`: for the rest."""

    sayings: list[Saying]
    observed: int
    reading: float
    deciding: float


def save(source: Source, target: IO[bytes]) -> None:
    """A rollout's bundle. Raises AdminError, NoRecord, sqlite3.Error, OSError."""
    if source.data is None:
        name = f"/{quote(source.wanted, safe='/')}" if source.wanted else ""
        source.client.download(f"/rollouts{name}/bundle", target)
        return
    data = DataFolder(source.data)
    for piece in bundle(data, read_record(data, source.wanted), __version__):
        target.write(piece)


def save_to(source: Source, output: Path) -> None:
    """The same into a file that is there whole or not at all."""
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as target:
            save(source, target)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def check(source: Source, head: str) -> list[Check]:
    """All checks of a bundle. Raises what `save` does, DamagedBundle."""
    with _file(source) as path:
        return verify(path, head)


def over_rollout(source: Source, given: str) -> Telling:
    """A plan, by name or file, over a rollout. Raises what `save` does, DamagedBundle, PlanError, ValueError."""
    plan = parse(plan_of(given))
    with _file(source) as path, BundleFile.open(path) as file:
        return _told(plan, of_bundle(file, plan))


def over_verdicts(path: Path, given: str, rules: Path | None, canary: str) -> Telling:
    """A plan over a file of verdicts. Raises BadVerdicts, PlanError, ValueError, OSError, classifiers' Refused."""
    plan = parse(plan_of(given))
    loaded = constitution.default() if rules is None else constitution.load(rules)
    return _told(plan, of_file(path, plan, loaded, canary))


def check_lines(checks: list[Check]) -> Iterator[str]:
    """For people."""
    for each in checks:
        yield f"{'ok  ' if each.holds else 'FAIL'} {each.name}: {each.said}"


def telling_lines(told: Telling) -> Iterator[str]:
    """For people."""
    parted = False
    for each in told.sayings:
        if each.parted and not parted:
            parted = True
            yield "from here its weights would have been others than those recorded: of traffic that it would have"
            yield "dealt otherwise its rules can only say:"
        kind = each.kind.replace("_", " ")
        yield f"{moment(each.time_us):%Y-%m-%d %H:%M:%S} UTC  {kind}, {each.share:.4g} of units: {each.reason}"
    if not told.sayings:
        yield "its rules would have changed nothing"
    rate = told.observed / max(told.deciding, 1e-9)
    seconds = f"read in {told.reading:.1f} s, decided on in {told.deciding:.1f} s"
    yield f"{told.observed} verdicts: {seconds} ({rate:,.0f}/s)"


def _told(plan: Plan, past: Past) -> Telling:
    timed = _Timed(past.observations)
    began = perf_counter()
    sayings = list(what_if(plan, past.beginning, timed, past.inputs, past.changes, past.until_us))
    return Telling(sayings, timed.number, timed.seconds, perf_counter() - began - timed.seconds)


class _Timed:
    """Observations, how many came, and how long it took to get them."""

    def __init__(self, observations: Iterator[Observation]) -> None:
        self._observations = observations
        self.number = 0
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Observation]:
        while True:
            began = perf_counter()
            seen = next(self._observations, None)
            self.seconds += perf_counter() - began
            if seen is None:
                return
            self.number += 1
            yield seen


@contextmanager
def _file(source: Source) -> Iterator[Path]:
    """A bundle's file: the one that is named, or one that is made for now."""
    given = Path(source.wanted)
    if given.suffix == _SUFFIX:
        yield given
        return
    with tempfile.NamedTemporaryFile(suffix=_SUFFIX) as made:
        save(source, made)
        made.flush()
        yield Path(made.name)
