"""What the admin API is made of; app.py puts it together."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from classifiers.constitution import Constitution
from gateway.configinforce import Loading
from gateway.controller.access import Access
from gateway.controller.constitutions import Constitutions
from gateway.controller.evidence_history import EvidenceHistory
from gateway.controller.feedback_index import FeedbackIndex
from gateway.controller.folder_watch import FolderWatch
from gateway.controller.forgetting import UnitForgetting
from gateway.controller.index import ExchangeIndex
from gateway.controller.label_correction import LabelCorrection
from gateway.controller.levels import Levels
from gateway.controller.loss_watch import LossWatch
from gateway.controller.orders import Orders
from gateway.controller.rereading import Rereading
from gateway.controller.rollouts import Rollouts
from gateway.controller.standings import Standings
from gateway.controller.state_store import SqlStateStore
from gateway.controller.statuses import Statuses
from gateway.controller.tables import Tables
from gateway.controller.trail import AuditTrail
from gateway.curation.store import LabelStore
from gateway.events.ledger import Ledger
from gateway.events.schema import Stream
from gateway.ports import Clock
from gateway.scoring.texts import KeptText
from gateway.settings import Model, Settings
from gateway.telemetry.exposition import Exposition
from gateway.telemetry.metrics import Meters


class Texts(Protocol):
    """Redacted texts, by exchange id (32 hex digits); None where there is none, or none any more."""

    def get(self, exchange_id: str) -> KeptText | None: ...


class Configuration(Protocol):
    """What everything runs by; safe to call from any thread."""

    def settings(self) -> Settings:
        """Those in force."""

    def loading(self) -> Loading:
        """What became of the last start or reload."""

    def reload(self) -> None:
        """Have the file read again, and wait until it is decided. Raises ConfigError (nothing has changed), and
        TimeoutError.
        """


class ControllerParts(msgspec.Struct, frozen=True):
    """Everything explicit. `access`: who may ask. `ledgers` and `healthy` are asked each time.

    `healthy`: an empty list, or what is wrong with the controller itself, a sentence each. `unit_key`: the
    fingerprint of the key in use. `ending`: set once nobody may wait for an answer any more.
    """

    version: str
    store: SqlStateStore
    tables: Tables
    rollouts: Rollouts
    orders: Orders
    standings: Standings
    history: EvidenceHistory
    levels: Levels
    losses: LossWatch
    models: Mapping[str, Model]
    configuration: Configuration
    index: ExchangeIndex
    feedback: FeedbackIndex
    labels: LabelStore
    corrections: LabelCorrection
    texts: Texts
    constitution: Constitution
    constitutions: Constitutions
    rereading: Rereading
    statuses: Statuses
    ledgers: Callable[[], Mapping[Stream, Ledger]]
    exposition: Exposition
    healthy: Callable[[], list[str]]
    folder: FolderWatch
    access: Access
    trail: AuditTrail
    forgetting: UnitForgetting
    unit_key: Callable[[], str]
    ending: asyncio.Event
    meters: Meters
    clock: Clock
