"""What a rollout began with, kept as the first of its inputs: with it and the verdicts anybody can begin again."""

import msgspec

from classifiers import constitution
from classifiers.constitution import Constitution, canonical_json
from gateway.rollout.observation import Input
from gateway.rollout.plan import Plan
from gateway.rollout.start import Beginning


class Opening(msgspec.Struct, frozen=True, tag="opening"):
    """`stable`, `canary`: arms. `constitution`: the whole of the pinned one, as canonical JSON."""

    beginning: Beginning
    plan: Plan
    stable: str
    canary: str
    constitution: str

    def rules(self) -> Constitution:
        """The constitution itself. Raises classifiers.problem.Refused for what is none."""
        return constitution.loads(self.constitution, "constitution.json")


Recorded = Opening | Input
"""Everything beside verdicts that a rollout was moved by."""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Recorded] = msgspec.msgpack.Decoder(Recorded)


def opening(beginning: Beginning, plan: Plan, stable: str, canary: str, rules: Constitution) -> Opening:
    """Of what is at hand when a rollout starts."""
    return Opening(beginning, plan, stable, canary, canonical_json(rules).decode())


def encode(recorded: Recorded) -> bytes:
    """For the store."""
    return _encoder.encode(recorded)


def decode(data: bytes) -> Recorded:
    """The reverse. Raises msgspec.ValidationError."""
    return _decoder.decode(data)
