"""Rollouts that the configuration wishes for: started once, never again by themselves."""

from collections.abc import Mapping

import structlog

from classifiers.constitution import Constitution
from gateway.controller.orders import Orders, Wanted, fitting
from gateway.controller.rollouts import Rollouts
from gateway.controller.sqlite_file import QueryTooSlow
from gateway.rollout.commands import Refused
from gateway.rollout.plan import PlanError, parse
from gateway.settings import ConfigError, Model

log = structlog.get_logger(__name__)


def start_wished(models: Mapping[str, Model], orders: Orders, rollouts: Rollouts) -> None:
    """Start what `rollout:` of each model says, unless one is under way or the same one has ended before: what was
    rolled back must not come back because a process started.

    Raises ConfigError for a plan that cannot be used, and StateStore's errors.
    """
    for name, model in models.items():
        wish = model.rollout
        if wish is None or rollouts.running(name) is not None:
            continue
        wanted = Wanted(
            model=name, to=wish.to, start=wish.start, plan=wish.plan, actor="config", reason="the configuration"
        )
        try:
            kept = orders.start(wanted)
        except PlanError as error:
            raise ConfigError([f"models.{name}.rollout.{error}"]) from error
        except Refused as refused:
            log.info("the configuration's rollout is not started", model=name, why=str(refused))
        except QueryTooSlow as slow:  # the API must come up all the same, so that people can say something
            log.warning("the configuration's rollout is not started: start it by hand", model=name, why=str(slow))
        else:
            log.info("rollout started by the configuration", model=name, rollout=kept.state.rollout)


def wish_problems(models: Mapping[str, Model], constitution: Constitution) -> list[str]:
    """A line for each plan in the configuration that cannot be used with the constitution."""
    found = []
    for name, model in models.items():
        if model.rollout is not None:
            try:
                fitting(parse(model.rollout.plan), constitution)
            except PlanError as error:
                found.append(f"models.{name}.rollout.{error}")
    return found
