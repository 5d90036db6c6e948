"""What happens to exchanges after they were answered."""

import shutil

from fastapi import APIRouter
from pydantic import Field

from gateway.controller import pipeline
from gateway.controller.kept_for import KeptFor
from gateway.controller.parts import ControllerParts
from gateway.controller.routers.values import Answer, example, problems
from gateway.events.schema import Stream

_SECONDS = 60.0


class ScorerShown(Answer):
    """`lag_seconds`: age of the oldest exchange without a verdict; null: no scorer runs."""

    processes: int
    lag_seconds: float | None
    scored: int


class EvaluatorShown(Answer):
    """`evaluated`: exchanges that it read; `not_evaluated`: those that were scored without it. Quantiles of its
    time for one exchange, by the histogram; null where it has read none.
    """

    name: str
    version: str
    evaluated: int
    not_evaluated: dict[str, int]
    p50_seconds: float | None
    p95_seconds: float | None


class AgreementShown(Answer):
    """labelled = agreed + missed + false_alarms; exchanges on which people are as many for as against are left out.

    `missed`: people say that it violates, and it was not flagged.
    """

    principle: str
    labelled: int
    agreed: int
    missed: int
    false_alarms: int


class RelayShown(Answer):
    """One stream: appended = delivered + spooled + lost. `lag_seconds` is of all streams; null: no relay runs."""

    target: str
    stream: Stream
    lag_seconds: float | None
    delivered: int
    spooled: int
    lost: int


class StorageShown(Answer):
    """What the data folder takes, and what is free on its disk."""

    used_bytes: int
    free_bytes: int


class Pipeline(Answer):
    """Counts are since the processes began to count. `not_evaluated`: exchanges, by reason."""

    model_config = example(
        scorer={"processes": 1, "lag_seconds": 0.2, "scored": 1210},
        evaluators=[
            {
                "name": "rules",
                "version": "1",
                "evaluated": 1204,
                "not_evaluated": {"unread": 6},
                "p50_seconds": 0.0008,
                "p95_seconds": 0.0021,
            }
        ],
        agreement=[{"principle": "any", "labelled": 40, "agreed": 37, "missed": 2, "false_alarms": 1}],
        relays=[
            {
                "target": "kafka",
                "stream": "verdicts",
                "lag_seconds": 0.1,
                "delivered": 1200,
                "spooled": 10,
                "lost": 0,
            }
        ],
        storage={"used_bytes": 52428800, "free_bytes": 75161927680},
        not_evaluated={"no_text": 6},
    )

    scorer: ScorerShown
    evaluators: list[EvaluatorShown]
    agreement: list[AgreementShown] = Field(description="People's last words against the classifiers")
    relays: list[RelayShown]
    storage: StorageShown
    not_evaluated: dict[str, int]


def pipeline_router(parts: ControllerParts) -> APIRouter:
    """Read it."""
    router = APIRouter(prefix="/api/v1/pipeline", tags=["status"])
    root = parts.folder.data.root
    used = KeptFor(_SECONDS, parts.clock, lambda: pipeline.used_bytes(root))
    agreement = KeptFor(_SECONDS, parts.clock, parts.labels.agreement)

    @router.get("", summary="Scoring, relaying, storage", responses=problems(503))
    def read() -> Pipeline:
        """What the folder takes is at most a minute old."""
        totals = parts.exposition.totals()
        return Pipeline(
            scorer=ScorerShown.model_validate(pipeline.scorer(totals)),
            evaluators=[
                EvaluatorShown.model_validate(each)
                for each in pipeline.evaluators(totals, parts.index.evaluators())
            ],
            agreement=[AgreementShown.model_validate(each) for each in agreement.get(parts.labels.newest())],
            relays=[RelayShown.model_validate(each) for each in pipeline.relays(totals, parts.ledgers())],
            storage=StorageShown(used_bytes=used.get(), free_bytes=shutil.disk_usage(root).free),
            not_evaluated=pipeline.not_evaluated(totals),
        )

    return router
