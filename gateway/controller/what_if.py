"""Another plan over what was recorded: over a bundle, or over a file of verdicts of which nothing else is known."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from classifiers.constitution import Constitution
from gateway.controller.bundle_file import BundleFile
from gateway.controller.outcomes import Pins, Reading
from gateway.controller.verification import Contents, contents, inputs, observations, verdicts
from gateway.events.schema import VerdictV1
from gateway.rollout.observation import Input, Observation, Reports
from gateway.rollout.plan import Plan
from gateway.rollout.start import Beginning
from gateway.rollout.whatif import StageChange

_verdict = msgspec.json.Decoder(VerdictV1)


class BadVerdicts(Exception):
    """The file cannot be run over; the text says which line and why."""


class Past(msgspec.Struct, frozen=True):
    """What happened, as `gateway.rollout.whatif.what_if` takes it. `observations` can be gone through once."""

    beginning: Beginning
    observations: Iterator[Observation]
    inputs: Iterable[Input]
    changes: list[StageChange]
    until_us: int


def of_bundle(file: BundleFile, plan: Plan) -> Past:
    """While `file` is open. Raises DamagedBundle, also from the iterators."""
    found = contents(file)
    beginning = found.beginning
    if found.plan.guardrails != plan.guardrails:  # what is known of the week before is known by guardrail
        beginning = msgspec.structs.replace(beginning, prior=(), unscored=())
    return Past(
        beginning=beginning,
        observations=observations(found, plan, verdicts(file)),
        inputs=_replaced(inputs(file), found.plan, plan),
        changes=_changes(found),
        until_us=file.manifest.until_us,
    )


def _changes(found: Contents) -> list[StageChange]:
    """The decisions that moved the canary's share, or dealt everyone anew."""
    changes: list[StageChange] = []
    for made, recorded in zip(found.decisions, found.recorded(), strict=True):
        dealt = made.kind in ("start", "redeal") or (made.kind == "promote" and recorded.share < 1)
        if dealt or recorded.share != changes[-1].share:
            asked = made.kind == "start" or made.actor != "tipstaff"
            changes.append(StageChange(made.time_us, recorded.share, recorded.version, dealt, asked))
    return changes


def _replaced(given: Iterable[Input], recorded: Plan, plan: Plan) -> Iterator[Input]:
    """Feedback names a guardrail by its place in the plan."""
    places = {each.metric: place for place, each in enumerate(plan.guardrails)}
    moved = {place: places.get(each.metric) for place, each in enumerate(recorded.guardrails)}
    for each in given:
        if not isinstance(each, Reports):
            yield each
            continue
        fitting = ((report, moved[report.place]) for report in each.reports)
        reports = tuple(msgspec.structs.replace(report, place=to) for report, to in fitting if to is not None)
        yield Reports(each.time_us, reports)


def of_file(path: Path, plan: Plan, rules: Constitution, canary: str = "") -> Past:
    """A file of verdicts as JSON lines, in canonical order, of one model and two arms.

    The file is read twice: the stages come from what each verdict's assignment says of the weights, and a new salt
    from a unit whose bucket is another. `canary`: left out, the arm with the smaller share at the start. Raises
    BadVerdicts, also from the iterator, and OSError.
    """
    seen = _Assignments()
    for number, event in enumerate(_read(path), 1):
        seen.take(number, event)
    stable, canary = seen.arms(canary)
    if rules.hash not in seen.constitutions:
        made = ", ".join(sorted(seen.constitutions)) or "none"
        raise BadVerdicts(f"{path}: made under constitution {made}, not {rules.hash}: give its file")
    reading = Reading(plan, rules, arms=(stable, canary), pins=Pins(rules.hash, {}))
    found = (reading.observation(event) for event in _read(path))
    return Past(
        beginning=Beginning(
            rollout=path.name,
            model=seen.model,
            before=stable,
            after=canary,
            time_us=seen.first_us - 1,
            actor="replay",
            reason="",
        ),
        observations=(each for each in found if each is not None),
        inputs=(),
        changes=seen.changes(canary),
        until_us=seen.last[0],
    )


def _read(path: Path) -> Iterator[VerdictV1]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield _verdict.decode(line)
            except msgspec.MsgspecError as error:
                raise BadVerdicts(f"{path}, line {number}: no verdict: {error}") from error


class _Table(msgspec.Struct):
    """One version of the routing table, as far as verdicts show it. `dealt`: a unit had another bucket before."""

    time_us: int
    arm: str
    weight: float
    dealt: bool = False


class _Assignments:
    """What a file's assignments tell of arms, weights and salts."""

    def __init__(self) -> None:
        self.model = ""
        self.first_us = 0
        self.last = (0, "")
        self.constitutions: set[str] = set()
        self._tables: dict[tuple[int, int], _Table] = {}
        self._newest = (0, 0)
        self._buckets: dict[bytes, float] = {}
        self._arms: set[str] = set()

    def take(self, number: int, event: VerdictV1) -> None:
        """The next verdict. Raises BadVerdicts."""
        at, assignment = (event.time_us, event.exchange_id), event.assignment
        if at <= self.last:
            raise BadVerdicts(f"line {number}: out of order: sort by time_us, exchange_id, each once")
        if self.model not in ("", event.model):
            raise BadVerdicts(f"line {number}: of model {event.model!r}, not {self.model!r}")
        self.model, self.last = event.model, at
        self.first_us = self.first_us or event.time_us
        self.constitutions.add(event.verdict.constitution)
        if not assignment.forced:
            self._arms.add(assignment.assigned)
            self._count(event)

    def _count(self, event: VerdictV1) -> None:
        assignment = event.assignment
        version = (assignment.table_epoch, assignment.table_version)
        if version > self._newest:
            self._newest = version
            self._tables[version] = _Table(event.time_us, assignment.assigned, assignment.weight)
        if version != self._newest or assignment.unit_kind == "request":
            return
        known = self._buckets.setdefault(assignment.unit_hash, assignment.bucket)
        if known != assignment.bucket:
            self._tables[version].dealt = True
            self._buckets = {assignment.unit_hash: assignment.bucket}

    def arms(self, canary: str) -> tuple[str, str]:
        """Stable and canary."""
        if len(self._arms) != 2 or canary not in ("", *self._arms):
            raise BadVerdicts(
                f"arms {', '.join(sorted(self._arms)) or 'none'}: expected two, and the canary of them"
            )
        first = next(iter(self._tables.values()))
        (other,) = self._arms - {first.arm}
        canary = canary or (first.arm if first.weight < 0.5 else other)
        (stable,) = self._arms - {canary}
        return stable, canary

    def changes(self, canary: str) -> list[StageChange]:
        """The versions that moved the share, or dealt everyone anew."""
        changes: list[StageChange] = []
        for version, table in self._tables.items():
            share = table.weight if table.arm == canary else 1 - table.weight
            if not changes or table.dealt or abs(share - changes[-1].share) > 1e-9:
                before_us = table.time_us - 1
                changes.append(StageChange(before_us, share, version, table.dealt or not changes))
        return changes
