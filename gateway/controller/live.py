"""Everything that a page shows at all times, as of one moment, put together from every part of the controller."""

import shutil
import sqlite3
from collections.abc import Mapping

import msgspec
import structlog

from gateway.controller import overview
from gateway.controller.decision_story import can, newest_first
from gateway.controller.headline import (
    Account,
    Answers,
    Lamp,
    Lost,
    Raised,
    Trial,
    elsewhere_lamp,
    loss_lamp,
    over_all,
    rollout_lamp,
    safety_lamp,
)
from gateway.controller.kept_rollout import Kept
from gateway.controller.parts import ControllerParts
from gateway.controller.rollout_view import stage_shown
from gateway.controller.tallies import HOUR_US
from gateway.controller.warned import warnings
from gateway.core.routing import ModelRoute, RoutingTable
from gateway.events.schema import DecisionV1
from gateway.processes import RELAY, SCORER
from gateway.rollout.evidence import Evidence
from gateway.rollout.forecast import why
from gateway.rollout.summary import stated
from gateway.telemetry import metrics
from gateway.telemetry.exposition import Children

log = structlog.get_logger(__name__)

_LATELY_US = 120_000_000
_PIPELINE_US = 5_000_000
_CLOCK_US = 5_000_000
"""A chart that follows canonical time is drawn anew so often."""
_STANDING_BY = frozenset({"wait", "approve", "redeal", "repin", "dead_producer"})
"""Decisions that leave the canary as it is."""


class LiveRollout(msgspec.Struct, frozen=True):
    """A rollout, what it waits for in words, and what an operator can say."""

    kept: Kept
    why: str
    can: list[str]


class LiveModel(msgspec.Struct, frozen=True):
    """One model. `versions`: of its arms, as configured."""

    model: str
    route: ModelRoute
    versions: Mapping[str, str]
    rollout: LiveRollout | None
    rollout_lamp: Lamp
    safety_lamp: Lamp


class Snapshot(msgspec.Struct, frozen=True):
    """As of `time_us`. `marks`: another one whenever what it stands for may have changed."""

    time_us: int
    table: RoutingTable
    models: list[LiveModel]
    rollout_lamp: Lamp
    safety_lamp: Lamp
    loss_lamp: Lamp
    warnings: list[str]
    marks: dict[str, str]


class LiveBoard:
    """Reads it. Blocks for the files of every process; from any thread."""

    def __init__(self, parts: ControllerParts) -> None:
        self._parts = parts
        self._last: dict[str, tuple[str, DecisionV1 | None]] = {}

    def read(self) -> Snapshot:
        """All of it. Raises DataFolderGone, OSError, sqlite3.Error, StateStore's errors."""
        parts = self._parts
        parts.folder.check()
        now_us, table, totals = parts.clock.now_us(), parts.tables.current(), parts.exposition.totals()
        models = [self._model(name, route, totals, now_us) for name, route in table.models.items()]
        running = overview.up(totals)
        statuses = [status for status in parts.statuses.read() if running.get(status.process, True)]
        return Snapshot(
            time_us=now_us,
            table=table,
            models=models,
            rollout_lamp=over_all({each.model: each.rollout_lamp for each in models}),
            safety_lamp=over_all({each.model: each.safety_lamp for each in models}),
            loss_lamp=loss_lamp(self._account(totals), now_us),
            warnings=warnings(parts, table, totals, statuses),
            marks=self._marks(models, now_us),
        )

    def _model(self, name: str, route: ModelRoute, totals: dict[str, Children], now_us: int) -> LiveModel:
        parts, elsewhere = self._parts, self._parts.tables.elsewhere
        kept = None if elsewhere else parts.standings.kept(name)
        said = "" if kept is None else why(kept.terms.plan, kept.state, _evidence(kept))
        trial = None if kept is None else self._trial(kept, said)
        configured = parts.models.get(name)
        return LiveModel(
            model=name,
            route=route,
            versions={} if configured is None else {arm: each.version for arm, each in configured.arms.items()},
            rollout=None if kept is None else LiveRollout(kept, said, can(kept.state)),
            rollout_lamp=elsewhere_lamp(elsewhere) if elsewhere else rollout_lamp(trial, now_us),
            safety_lamp=safety_lamp(
                trial,
                self._answers(name, now_us),
                overview.single(totals, metrics.SCORER_LAG),
                [
                    Raised(each.arm, each.principle, each.raised_us)
                    for each in parts.levels.shown()
                    if each.model == name and each.raised_us
                ],
                now_us,
            ),
        )

    def _answers(self, model: str, now_us: int) -> Answers:
        """Of the hour under way and the one before it, and of the last minutes."""
        since_us, index = (now_us // HOUR_US - 1) * HOUR_US, self._parts.index
        found, lately = index.counts(model, since_us), index.lately(model, now_us - _LATELY_US)
        return Answers(
            since_us,
            exchanges=found.get("exchanges", 0),
            evaluated=found.get("evaluated", 0),
            violating=found.get("violating", 0),
            asked=lately.get("exchanges", 0),
            failed=lately.get("upstream_errors", 0),
        )

    def _trial(self, kept: Kept, said: str) -> Trial | None:
        state, plan = kept.state, kept.terms.plan
        made, stage = self._moved(kept), stage_shown(plan, state)
        if made is None:
            return None
        row = max(made.evidence.rows, key=lambda each: each.alarm) if made.evidence and made.evidence.rows else None
        now = stated(plan, state, _evidence(kept))
        return Trial(
            canary=kept.terms.canary,
            status=state.status,
            percent=stage.percent,
            stage=min(stage.number, stage.count),
            count=stage.count,
            drill=state.drill > 0,
            by_tipstaff=made.decided_by == "decision",
            decided_us=kept.last_decisions.get(made.kind, ("", made.time_us))[1],
            reason=made.reason,
            alarmed=bool(made.exchanges),
            guardrail="" if row is None else row.guardrail,
            waits_for=state.waits_for,
            why=said,
            evidence=10**now.mean,
            needs=10**now.needs,
        )

    def _moved(self, kept: Kept) -> DecisionV1 | None:
        """Its last decision that did something; None where the store has lost even its start."""
        at = f"{kept.state.rollout}-{kept.decided}"
        known = self._last.get(kept.state.model)
        if known is None or known[0] != at:
            known = (
                at,
                next(
                    (
                        made
                        for _, made in newest_first(self._parts.store)
                        if made.rollout == kept.state.rollout and made.kind not in _STANDING_BY
                    ),
                    None,
                ),
            )
            self._last[kept.state.model] = known
        return known[1]

    def _account(self, totals: dict[str, Children]) -> Account:
        parts = self._parts
        ledgers = parts.ledgers()
        dropped = totals[metrics.DROPPED.name]
        lost = self._lost(dropped)
        running = [name for name, is_up in overview.up(totals).items() if is_up]
        disk = shutil.disk_usage(parts.folder.data.root)
        lags = {"the scorer": metrics.SCORER_LAG, "the relay": metrics.RELAY_LAG}
        consumers = {"the scorer": SCORER, "the relay": RELAY}
        return Account(
            exchanges=ledgers["exchanges"].started,
            unbalanced=[stream for stream, ledger in ledgers.items() if not ledger.balanced],
            lost=lost,
            lost_before=sum(int(values[0]) for values in dropped.values()) - sum(each.count for each in lost),
            lags={name: overview.single(totals, lag) or 0.0 for name, lag in lags.items()},
            waiting={
                name: sum(
                    ledger.consumers[consumer].spooled
                    for ledger in ledgers.values()
                    if consumer in ledger.consumers
                )
                for name, consumer in consumers.items()
            },
            troubles=[f"{name}: {trouble}" for name in running if (trouble := parts.statuses.trouble(name))],
            free=disk.free / disk.total,
            free_bytes=disk.free,
        )

    def _lost(self, dropped: Children) -> list[Lost]:
        """Empty where the file that remembers it is damaged: the page shows all else."""
        losses = self._parts.losses
        try:
            losses.look(dropped)
            return losses.lately()
        except sqlite3.Error as error:
            log.warning("what was lost lately cannot be told", error=str(error))
            return []

    def _marks(self, models: list[LiveModel], now_us: int) -> dict[str, str]:
        parts = self._parts
        return {
            "rollout": " ".join(_mark(each.rollout.kept) for each in models if each.rollout is not None),
            "exchanges": str(parts.index.newest()),
            "decisions": str(parts.store.last_number()),
            "labels": "-".join(map(str, parts.labels.newest())),
            "pipeline": str(now_us // _PIPELINE_US),
        }


def _evidence(kept: Kept) -> Evidence:
    return Evidence.of(kept.terms.plan, kept.state.book)


def _mark(kept: Kept) -> str:
    state = kept.state
    return f"{state.rollout}-{kept.decided}-{state.status}-{sum(state.exchanges)}-{state.clock_us // _CLOCK_US}"
