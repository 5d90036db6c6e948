"""Does a bundle hold? Its bytes, its chain of decisions, what they rest on, and the decisions, made again.

Nothing but the file is asked: no data folder, no network, no clock.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from classifiers import constitution
from classifiers.constitution import Constitution
from classifiers.problem import Refused
from gateway.controller import chain
from gateway.controller.bundle import Arms
from gateway.controller.bundle_file import BundleFile, DamagedBundle
from gateway.controller.outcomes import Pins, Reading
from gateway.events.schema import DecisionV1, VerdictV1
from gateway.rollout.observation import Input, Observation
from gateway.rollout.plan import Plan, PlanError, parse
from gateway.rollout.replay import Recorded, Replayed, replay
from gateway.rollout.start import Beginning

_verdict = msgspec.json.Decoder(VerdictV1)
_input: msgspec.json.Decoder[Input] = msgspec.json.Decoder(Input)
_decision = msgspec.json.Decoder(DecisionV1)


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at. `said`: what was found, a sentence."""

    name: str
    holds: bool
    said: str


class Contents(msgspec.Struct, frozen=True):
    """What a bundle says, read. `decisions`: the rollout's own, oldest first."""

    plan: Plan
    rules: Constitution
    beginning: Beginning
    arms: Arms
    decisions: tuple[DecisionV1, ...]

    def recorded(self) -> list[Recorded]:
        """The decisions, as a replay compares them."""
        return [
            Recorded(
                time_us=made.time_us,
                kind=made.kind,
                actor=made.actor,
                reason=made.reason,
                share=made.weights.after.get(self.arms.canary, 0.0),
                stage=made.stage,
                version=(made.table_epoch, made.table_version),
                waits_for=made.waits_for,
                exchanges=made.exchanges,
                evidence=made.evidence,
            )
            for made in self.decisions
        ]


def verify(path: Path, head: str = "") -> list[Check]:
    """Every check in order; what follows one that fails may be missing. `head`: the hash of a decision you know.

    Raises DamagedBundle for what is no bundle at all, OSError.
    """
    with BundleFile.open(path) as file:
        return list(_checks(file, head))


def contents(file: BundleFile) -> Contents:
    """Raises DamagedBundle."""
    own = file.manifest.rollout
    decisions = tuple(each for each in file.rows("decisions.jsonl", _decision) if each.rollout == own)
    if not decisions:
        raise DamagedBundle(f"decisions.jsonl has none of rollout {own}")
    try:
        rules = constitution.loads(file.text("constitution.json"), "constitution.json")
    except Refused as error:
        raise DamagedBundle(f"constitution.json: {error}") from error
    return Contents(
        plan=_plan(file),
        rules=rules,
        beginning=file.value("beginning.json", Beginning),
        arms=file.value("arms.json", Arms),
        decisions=decisions,
    )


def _plan(file: BundleFile) -> Plan:
    try:
        return parse(msgspec.to_builtins(file.value("plan.json", Plan)))
    except PlanError as error:
        raise DamagedBundle(f"plan.json: {error}") from error


def verdicts(file: BundleFile) -> Iterator[VerdictV1]:
    """In the order in which they stand. Raises DamagedBundle."""
    return file.rows("verdicts.jsonl", _verdict)


def inputs(file: BundleFile) -> Iterator[Input]:
    """As `verdicts`."""
    return file.rows("inputs.jsonl", _input)


def observations(found: Contents, plan: Plan, rows: Iterable[VerdictV1]) -> Iterator[Observation]:
    """What the evidence of `plan` reads in them. Raises DamagedBundle where they are out of order."""
    reading = Reading(
        plan,
        found.rules,
        arms=(found.arms.stable, found.arms.canary),
        pins=Pins(found.rules.hash, found.arms.classifiers),
        drill=found.beginning.drill,
    )
    last = (0, "")
    for number, event in enumerate(rows, 1):
        at = (event.time_us, event.exchange_id)
        if at <= last:
            raise DamagedBundle(f"verdicts.jsonl, line {number} is out of order: {event.exchange_id}")
        last = at
        seen = reading.observation(event)
        if seen is not None:
            yield seen


def _checks(file: BundleFile, head: str) -> Iterator[Check]:
    altered = file.altered()
    words = f"not what the manifest says: {', '.join(altered)}" if altered else "every member is what it says"
    yield Check("manifest", not altered, words)
    try:
        yield _chained(file)
        if head:
            yield _known(file, head)
        found = contents(file)
        yield _rested(found)
        yield _replayed(file, found)
    except DamagedBundle as error:
        yield Check("contents", holds=False, said=str(error))


def _chained(file: BundleFile) -> Check:
    """One decision after another, up to the head that the store and the manifest name."""
    last, number = chain.GENESIS, 0
    try:
        for number, (digest, follows) in enumerate(chain.hashes(file.lines("decisions.jsonl")), 1):
            if not follows:
                return Check("chain", holds=False, said=f"decision {number} does not follow from the one before it")
            last = digest
    except msgspec.DecodeError as error:
        return Check("chain", holds=False, said=f"decision {number + 1} cannot be read: {error}")
    if last != file.manifest.head:
        return Check("chain", holds=False, said=f"it ends at {last}, and its head is {file.manifest.head}")
    return Check("chain", holds=True, said=f"{number} decisions, each following from the one before; head {last}")


def _known(file: BundleFile, head: str) -> Check:
    found = any(digest == head for digest, _ in chain.hashes(file.lines("decisions.jsonl")))
    gone = f"the chain has no decision {head}: it was rewritten, or cut before that one"
    return Check("head", found, f"the chain goes through {head}" if found else gone)


def _rested(found: Contents) -> Check:
    """Decisions carry in the chain what they rest on; the bundle must be about the same."""
    arms, beginning = found.arms, found.beginning
    expected = {
        arms.stable: beginning.before,
        arms.canary: beginning.after,
        "plan": msgspec.json.encode(found.plan).decode(),
        "constitution": found.rules.hash,
        "classifiers": " ".join(f"{name}={version}" for name, version in sorted(arms.classifiers.items())),
    }
    for made in found.decisions:
        if made.drill != beginning.drill:
            said = f"decision {made.id} says drill {made.drill:g}, the bundle {beginning.drill:g}"
            return Check("terms", holds=False, said=said)
        for what, version in made.rests_on.items():
            if expected.get(what) != version:
                said = f"decision {made.id} rests on {what} {version!r}, the bundle has {expected.get(what)!r}"
                return Check("terms", holds=False, said=said)
    return Check("terms", holds=True, said="plan, constitution, arms and classifiers are those of the decisions")


def _replayed(file: BundleFile, found: Contents) -> Check:
    seen = observations(found, found.plan, verdicts(file))
    again = replay(found.plan, found.beginning, seen, inputs(file), found.recorded(), file.manifest.until_us)
    return Check("decisions", not again.difference, again.difference or _agreed(again))


def _agreed(again: Replayed) -> str:
    said = f"all {again.agreed} of this rollout follow again from {again.observed} verdicts"
    return f"{said}; {again.reworded} in other words" if again.reworded else said
