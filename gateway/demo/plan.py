"""How long each part of the story takes, and how much traffic there is."""

import msgspec

from gateway.demo.users import Traffic


class Plan(msgspec.Struct, frozen=True):
    """Seconds and percent. `compares`: whether what the models say means something.

    `calm`: at `first_percent`, before the operator goes to `raised_percent`. `watch`: at most that long, until
    the canary is seen to be worse. `after`: traffic goes on with the canary at 0. `settle`: at most that long
    until nothing is on its way any more.
    """

    traffic: Traffic
    compares: bool = True
    first_percent: float = 10.0
    raised_percent: float = 30.0
    calm: float = 10.0
    watch: float = 45.0
    after: float = 5.0
    settle: float = 30.0

    @property
    def longest(self) -> float:
        """All the seconds for which users may come."""
        return self.calm + self.watch + self.after + 10.0


SIMULATED = Plan(Traffic(rate=40.0))
VLLM = Plan(
    Traffic(rate=2.0, users=40, max_tokens=16), compares=False, calm=20.0, watch=20.0, after=8.0, settle=60.0
)
