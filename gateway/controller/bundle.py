"""One file with all that a rollout's decisions rest on: a zip, written as a stream, checked by `verification`.

Members: `plan.json`, `constitution.json`, `beginning.json`, `arms.json`; `verdicts.jsonl`, without text, units as
hashes; `inputs.jsonl`, everything else that decided; `labels.jsonl`, without notes; `decisions.jsonl`, the store's
whole chain in its canonical bytes; last `manifest.json`, with the SHA-256 of each.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import IO, cast
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec

from gateway.controller.record import Record, read_labels, read_verdicts
from gateway.layout import DataFolder
from gateway.rollout.plan import Plan
from gateway.rollout.start import Beginning

FORMAT = 1
MANIFEST = "manifest.json"
_LEVEL = 1
"""zlib's fastest: lines of JSON shrink to a tenth with it, and more time saves little."""
_PIECE = 1 << 18


class Member(msgspec.Struct, frozen=True):
    """`sha256` of the member's bytes before compression, in hex; `bytes`: how many they are."""

    sha256: str
    bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`until_us`: how far canonical time had come for the rollout; `head`: hash of the chain's last decision."""

    format: int
    made_by: str
    rollout: str
    model: str
    until_us: int
    head: str
    members: dict[str, Member]


class ArmFacts(msgspec.Struct, frozen=True):
    """An arm as it took part. `served`: what its servers said of themselves at the start."""

    version: str
    served: str


class Arms(msgspec.Struct, frozen=True):
    """Who took part. `classifiers`: name -> version, of those that the verdicts are by."""

    stable: str
    canary: str
    facts: dict[str, ArmFacts]
    classifiers: dict[str, str]


def bundle(data: DataFolder, record: Record, made_by: str) -> Iterator[bytes]:
    """The file's bytes, piece by piece; `made_by`: the version of tipstaff. Raises sqlite3.Error."""
    state, beginning = record.kept.state, record.opening.beginning
    until = record.read_to
    verdicts = read_verdicts(data, state.model, (beginning.time_us, ""), until)
    labels = read_labels(data, state.model, beginning.time_us, until[0])
    members: list[tuple[str, Iterable[bytes]]] = [
        ("plan.json", [_json(record.opening.plan)]),
        ("constitution.json", [record.opening.constitution.encode()]),
        ("beginning.json", [_json(beginning)]),
        ("arms.json", [_json(_arms(record))]),
        ("verdicts.jsonl", _lines(verdicts)),
        ("inputs.jsonl", _lines(record.inputs)),
        ("labels.jsonl", _lines(labels)),
        ("decisions.jsonl", (body + b"\n" for body in record.chain)),
    ]
    packer = _Packer()
    for name, parts in members:
        yield from packer.pack(name, parts)
    manifest = Manifest(
        format=FORMAT,
        made_by=made_by,
        rollout=state.rollout,
        model=state.model,
        until_us=state.clock_us,
        head=record.head,
        members=packer.members,
    )
    yield from packer.pack(MANIFEST, [_json(manifest)])
    yield packer.end()


def _arms(record: Record) -> Arms:
    terms, beginning = record.kept.terms, record.opening.beginning
    versions = {terms.stable: beginning.before, terms.canary: beginning.after}
    facts = {arm: ArmFacts(version, terms.served.get(arm, "")) for arm, version in versions.items()}
    return Arms(terms.stable, terms.canary, facts, terms.pins.evaluators)


def _json(value: Plan | Beginning | Arms | Manifest) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _lines(values: Iterable[object]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder(order="deterministic")
    for value in values:
        yield encoder.encode(value) + b"\n"


class _Packer:
    """A zip that grows at its end only."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = ZipFile(cast("IO[bytes]", self._sink), "w", ZIP_DEFLATED, compresslevel=_LEVEL)
        self.members: dict[str, Member] = {}

    def pack(self, name: str, parts: Iterable[bytes]) -> Iterator[bytes]:
        digest, size = sha256(), 0
        with self._zip.open(name, "w", force_zip64=True) as member:  # by its name: without the time of day
            for part in parts:
                digest.update(part)
                size += len(part)
                member.write(part)
                if self._sink.held >= _PIECE:
                    yield self._sink.taken()
        self.members[name] = Member(digest.hexdigest(), size)

    def end(self) -> bytes:
        self._zip.close()
        return self._sink.taken()


class _Sink:
    """Where a zip is written that nobody can seek in."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.held = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.held += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def taken(self) -> bytes:
        piece = b"".join(self._parts)
        self._parts.clear()
        self.held = 0
        return piece
