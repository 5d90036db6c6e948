"""The demo's story in seconds, with the real processes: `python -m tests.integration.demo.quick turning --exit`."""

import sys

from gateway.demo.asking import Traffic
from gateway.demo.behaviour import Behaviour, Schedule, steady
from gateway.demo.fleet import STABLE
from gateway.demo.plan import ROLLOUT, Plan
from gateway.demo.story import Options, run

TURN = 4.0
PLAN = Plan(
    traffic=Traffic(rate=40.0, fresh=0.5),
    rollout={**ROLLOUT, "stages": [50], "dwell": 600, "period": 1},
    said="its plan is one for tests",
    turn=TURN,
    before=1.0,
    deadline=12.0,
    after=2.0,
)
LEAKING = Behaviour(leaking=0.9)
CANARIES = {
    "turning": Schedule(((0.0, STABLE), (TURN, LEAKING))),
    "healthy": steady(STABLE),
}

if __name__ == "__main__":
    sys.exit(run(Options(exit_after="--exit" in sys.argv), plan=PLAN, canary=CANARIES[sys.argv[1]]))
