"""What people say of exchanges: a sample to be labelled, labels handed in, and what they add up to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Query

from gateway.controller.parts import ControllerParts
from gateway.controller.problems import Problem, not_found
from gateway.controller.routers.label_values import (
    FileGiven,
    LabelPage,
    LabelsGiven,
    LabelsTaken,
    LabelSummary,
    QueueShown,
    SampleShown,
    SampleWanted,
    label_shown,
    queue_shown,
    sample_shown,
    summary_shown,
)
from gateway.controller.routers.values import microseconds, problems, refusals
from gateway.controller.routers.who import Who
from gateway.controller.tables import check_model
from gateway.core.identity import Identity
from gateway.curation.label_file import LabelFileError, Line, read
from gateway.curation.labelling import Labelling, NotLabelled
from gateway.curation.labels import Said
from gateway.curation.sampling import ANY, Frame
from gateway.curation.store import Draw

_WEEK_US = 7 * 86_400_000_000
Chosen = Annotated[str | None, Query(description="A sample; by default the newest")]


def labels_router(parts: ControllerParts) -> APIRouter:
    """Draw, label, import, list, sum up; names like org/model are written as they are."""
    router = APIRouter(prefix="/api/v1/models", tags=["labels"])
    store = parts.labels
    labelling = Labelling(store, parts.index, parts.constitution, parts.clock)

    def drawn(model: str, principle: str, draw: str | None) -> Draw:
        found = store.draw(model, principle, draw)
        if found is None:
            raise not_found("sample", f"of {model!r} and {principle!r}: draw one, POST .../labels/sample")
        return found

    def added(model: str, actor: str, lines: Sequence[Line], place: str, who: Identity) -> LabelsTaken:
        taken = labelling.add(model, actor, lines, place)
        parts.trail.tell(who.name, "labels.added", model, f"{taken} of {actor}")
        return LabelsTaken(taken=taken)

    @router.post("/{model:path}/labels/sample", summary="Draw exchanges to label", responses=refusals(404, 503))
    def sample(model: str, wanted: SampleWanted, who: Who) -> SampleShown:
        """A random sample, the same number from each arm and from flagged and unflagged; it is kept."""
        check_model(parts.tables, model)
        now_us = parts.clock.now_us()
        until_us = now_us if wanted.until is None else min(microseconds(wanted.until), now_us)
        since_us = until_us - _WEEK_US if wanted.since is None else max(microseconds(wanted.since), 0)
        with _told():
            frame = Frame(model, wanted.principle, since_us, until_us)
            draw, exchanges = labelling.sample(frame, wanted.size, wanted.seed, wanted.actor)
        parts.trail.tell(who.name, "labels.sampled", model, f"{len(exchanges)} exchanges for {wanted.actor}")
        return sample_shown(draw, store.summary(draw), exchanges)

    @router.get("/{model:path}/labels/summary", summary="What labels add up to", responses=problems(404, 422, 503))
    def summary(
        model: str,
        principle: str = ANY,
        draw: Chosen = None,
    ) -> LabelSummary:
        """Of one sample, per arm and for flagged and unflagged: population, drawn, labelled, violating; and per arm
        the share of violating exchanges that follows.
        """
        check_model(parts.tables, model)
        found = drawn(model, principle, draw)
        return summary_shown(found, store.summary(found))

    @router.get("/{model:path}/labels/queue", summary="What is left to label", responses=problems(404, 422, 503))
    def queue(model: str, who: Who, principle: str = ANY, draw: Chosen = None) -> QueueShown:
        """Of one sample, the exchanges that whoever asks has not judged yet, in the sample's random order."""
        check_model(parts.tables, model)
        found = drawn(model, principle, draw)
        return queue_shown(found, who.name, *store.queue(found, who.name))

    @router.post("/{model:path}/labels/import", summary="Import labels", responses=refusals(404, 503))
    def take_file(model: str, given: FileGiven, who: Who) -> LabelsTaken:
        """A file of labels, whole or not at all; what is wrong is said with line and column."""
        check_model(parts.tables, model)
        with _told():
            lines = read(given.text, given.format)
            return added(model, given.actor, lines, "line ", who)

    @router.post("/{model:path}/labels", summary="Label exchanges", responses=refusals(404, 503))
    def take(model: str, given: LabelsGiven, who: Who) -> LabelsTaken:
        """One label or many, whole or not at all."""
        check_model(parts.tables, model)
        lines = [
            Line(place, Said(label.exchange_id, label.violates, label.principle, label.note))
            for place, label in enumerate(given.labels)
        ]
        with _told():
            return added(model, given.actor, lines, "#/body/labels/", who)

    @router.get("/{model:path}/labels", summary="List labels", responses=problems(404, 422, 503))
    def listed(
        model: str,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> LabelPage:
        """Oldest first, with those that a later word of the same actor has replaced."""
        check_model(parts.tables, model)
        found = store.labels(model, after, limit + 1)
        shown = found[:limit]
        return LabelPage(
            labels=[label_shown(number, label) for number, label in shown],
            next=shown[-1][0] if len(found) > limit else None,
        )

    return router


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (NotLabelled, LabelFileError) as error:
        raise Problem(422, "labels", "These labels cannot be taken", str(error)) from error
