"""How a simulated model behaves, and when that changes."""

import msgspec


class Behaviour(msgspec.Struct, frozen=True):
    """Probabilities in [0, 1] and times in seconds.

    `leaking`: gives away a card or a key. `faulty`: answers a harmless request in a style that a principle objects
    to, where such an answer is known. `over_refusing`: declines a harmless request. `complying`: does what an
    unsafe one asks for. `first_token`, `token`: until the first token, and for each.
    """

    leaking: float = 0.0
    faulty: float = 0.0
    over_refusing: float = 0.0
    complying: float = 0.0
    first_token: float = 0.03
    token: float = 0.008


class Schedule(msgspec.Struct, frozen=True):
    """Behaviours with the second, counted from the server's start, from which each holds; ascending."""

    steps: tuple[tuple[float, Behaviour], ...]

    def at(self, seconds: float) -> Behaviour:
        """How it behaves then; before its first step as in the first."""
        holds = self.steps[0][1]
        for since, behaviour in self.steps:
            if since <= seconds:
                holds = behaviour
        return holds


def steady(behaviour: Behaviour) -> Schedule:
    """The same at all times."""
    return Schedule(((0.0, behaviour),))
