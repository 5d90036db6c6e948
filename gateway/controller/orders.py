"""From what somebody wants rolled out to an order: the plan checked, and what is known of stable beforehand."""

from collections.abc import Mapping

import msgspec

from classifiers.constitution import Constitution
from gateway.controller.kept_rollout import Kept
from gateway.controller.rollouts import Order, Rollouts
from gateway.controller.statuses import Statuses
from gateway.controller.surroundings import served
from gateway.controller.tables import UnknownModel
from gateway.controller.traffic import Known, TrafficReader
from gateway.rollout.commands import Refused
from gateway.rollout.plan import Plan, PlanError, parse
from gateway.settings import Model


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """`to`: the arm that shall take over; `start`: the one that it takes over from, empty: the first.

    `plan`: as gateway.rollout.plan.parse takes it. `again`: also when it ended before.
    """

    model: str
    to: str
    plan: object
    actor: str
    reason: str
    start: str = ""
    drill: float = 0.0
    again: bool = False


class Orders:
    """Starts rollouts. Its methods may be called from any thread."""

    def __init__(
        self,
        rollouts: Rollouts,
        models: Mapping[str, Model],
        constitution: Constitution,
        traffic: TrafficReader,
        statuses: Statuses,
    ) -> None:
        self._rollouts = rollouts
        self._models = models
        self._constitution = constitution
        self._traffic = traffic
        self._statuses = statuses

    def plan(self, given: object) -> Plan:
        """The plan that somebody wrote, fit for the constitution in force. Raises PlanError."""
        return fitting(parse(given), self._constitution)

    def known(self, model: str) -> Known:
        """What is known of its traffic. Raises UnknownModel, QueryTooSlow."""
        return self._traffic.read(model, self.model(model).baseline)

    def model(self, name: str) -> Model:
        """A configured model. Raises UnknownModel."""
        if name not in self._models:
            raise UnknownModel(f"{name!r}: there are {', '.join(sorted(self._models))}")
        return self._models[name]

    def start(self, wanted: Wanted) -> Kept:
        """Start it. Raises PlanError, UnknownModel, Refused, QueryTooSlow, and StateStore's errors."""
        plan, model = self.plan(wanted.plan), self.model(wanted.model)
        fresh = [each for each in self._statuses.read() if not self._statuses.stale(each)]
        order = Order(
            model=wanted.model,
            stable=wanted.start or model.baseline,
            canary=wanted.to,
            plan=plan,
            actor=wanted.actor,
            reason=wanted.reason,
            again=wanted.again,
            drill=wanted.drill,
            unscored=self.known(wanted.model).unscored_of(plan),
            served=served(fresh, wanted.model),
        )
        return self._rollouts.start(order)

    def retry(self, model: str, actor: str, reason: str) -> Kept:
        """Start the last one that ended again, drills apart: a new salt, evidence of its own. Raises as `start`."""
        self.model(model)
        last = self._rollouts.last(model, drills=False)
        if last is None:
            raise Refused(f"{model} has had no rollout: tipstaff rollout start {model} --to ARM")
        if last.state.status == "finished" and last.state.promoted_us:
            raise Refused(f"{last.terms.canary!r} was promoted and finished: start a rollout to another version")
        terms = last.terms
        return self.start(
            Wanted(
                model=model,
                to=terms.canary,
                start=terms.stable,
                plan=msgspec.to_builtins(terms.plan),
                actor=actor,
                reason=reason,
                again=True,
            )
        )


def fitting(plan: Plan, constitution: Constitution) -> Plan:
    """`plan`, if the constitution has what its guardrails measure. Raises PlanError."""
    known = [each.id for each in constitution.principles]
    for number, guardrail in enumerate(plan.guardrails):
        kind, _, name = guardrail.metric.partition(":")
        if kind == "principle" and name not in known:
            raise PlanError(
                f"plan.guardrails[{number}].metric: the constitution has no principle {name!r}; "
                f"there are {', '.join(known)}"
            )
    return plan
