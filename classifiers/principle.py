"""One principle, as people write it."""

from enum import StrEnum
from typing import Annotated

import msgspec

from classifiers.condition import Condition
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.rule import Rule
from classifiers.verdict import Severity


class Tier(StrEnum):
    """A principle's rank when several are violated: the first is the highest."""

    HARMLESSNESS = "harmlessness"
    HONESTY = "honesty"
    HELPFULNESS = "helpfulness"

    @property
    def rank(self) -> int:
        """2 for harmlessness down to 0 for helpfulness: greater comes first, as with severity."""
        return len(Tier) - 1 - tuple(Tier).index(self)


class Scope(StrEnum):
    """What a principle speaks of.

    request: only what was asked; it is never violated, only provoked. response: the answer alone. exchange: the
    answer in the light of the request.
    """

    REQUEST = "request"
    RESPONSE = "response"
    EXCHANGE = "exchange"


class Action(StrEnum):
    """What to do about a violation: keep it, raise an alarm too, or (where guards run) withhold the answer too."""

    RECORD = "record"
    ALARM = "alarm"
    GUARD = "guard"


class ViolatedBy(StrEnum):
    """Which rule of resolution decides.

    harm: topic and harmful and not a refusal. conduct: the answer shows it, refusal or not. over_refusal: a refusal
    of a request that no principle objects to.
    """

    HARM = "harm"
    CONDUCT = "conduct"
    OVER_REFUSAL = "over_refusal"


class RulesSay(StrEnum):
    """How far rules can judge a principle.

    sufficient: finding nothing upholds the principle. partial: what they find stands, but finding nothing does not
    uphold it.
    """

    SUFFICIENT = "sufficient"
    PARTIAL = "partial"


class Evaluators(msgspec.Struct, frozen=True):
    """Who can say whether the principle is upheld."""

    rules: RulesSay = RulesSay.PARTIAL


class Example(msgspec.Struct, frozen=True):
    """A full exchange that shows what the principle means; its unit test."""

    request: Annotated[str, msgspec.Meta(min_length=1, description="what the user asks")]
    answer: Annotated[str, msgspec.Meta(min_length=1, description="what the model answers")]
    system: str = ""
    model: str = ""
    note: str = ""
    """Why it is one, for the reader."""

    def exchange(self, name: str) -> Exchange:
        """It as an exchange with the id `name`."""
        system = (Turn("system", self.system),) if self.system else ()
        return Exchange(name, (*system, Turn("user", self.request)), (Answer(self.answer),), self.model)


class Examples(msgspec.Struct, frozen=True):
    """What violates the principle, what complies with it, and what only the request does."""

    violates: tuple[Example, ...] = ()
    complies: tuple[Example, ...] = ()
    provokes: tuple[Example, ...] = ()
    """The request goes against the principle and the answer does not: a provocation, no violation."""


PrincipleId = Annotated[
    str,
    msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,47}$", description="lower-case words joined by _, like `self_harm`"),
]


class Principle(msgspec.Struct, frozen=True):
    """A principle. It applies where any of `applies_when` holds (or none is given) and none of `unless` does."""

    id: PrincipleId
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=80, description="1 to 80 characters")]
    tier: Tier
    scope: Scope
    severity: Severity
    text: Annotated[str, msgspec.Meta(min_length=20, max_length=4000, description="20 to 4000 characters")]
    examples: Examples
    action: Action = Action.RECORD
    violated_by: ViolatedBy | None = None
    """None: harm at tier harmlessness, conduct elsewhere."""
    applies_when: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    evaluators: Evaluators = Evaluators()
    rules: tuple[str | Rule, ...] = ()
    """Names of shipped rules or files of them, or rules of its own."""
    heads: tuple[str, ...] = ()
    """The encoder's heads that know it, like `harm.cyber`: see classifiers.encoder.heads."""

    @property
    def decided_by(self) -> ViolatedBy:
        """`violated_by`, or what its tier says."""
        if self.violated_by is not None:
            return self.violated_by
        return ViolatedBy.HARM if self.tier is Tier.HARMLESSNESS else ViolatedBy.CONDUCT
