"""What the rules may say: a change, or why there is none."""

import msgspec

from gateway.core.evidence import DecisionKind
from gateway.rollout.state import Status


class Decision(msgspec.Struct, frozen=True):
    """A change. `share`: the canary's from now on, in [0, 1]; `new_salt`: everyone is dealt anew.

    `stage`: index into the plan's stages, their number for the holdout. `status`: of the rollout after it.
    `exchanges`: whose verdicts crossed the line, where it was single ones. `waits_for`: the code of a wait.
    """

    time_us: int
    kind: DecisionKind
    reason: str
    share: float
    stage: int
    status: Status
    new_salt: bool = False
    actor: str = "tipstaff"
    exchanges: tuple[str, ...] = ()
    waits_for: str = ""


class Wait(msgspec.Struct, frozen=True):
    """Why nothing changes: `code` is a word that stays the same while the reason does; `reason` is for people."""

    code: str
    reason: str
