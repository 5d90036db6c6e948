"""All that a rollout's decisions rest on, as one file."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from gateway.controller.bundle import bundle
from gateway.controller.folder_watch import FolderWatch
from gateway.controller.problems import not_found
from gateway.controller.record import Look, NoRecord, read_record
from gateway.controller.routers.values import problems
from gateway.controller.routers.who import Who
from gateway.controller.tables import Tables, refuse_elsewhere
from gateway.controller.trail import AuditTrail
from gateway.core.identity import Identity

_ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def bundles_router(folder: FolderWatch, look: Look, version: str, trail: AuditTrail, tables: Tables) -> APIRouter:
    """Of `folder` and the state that `look` sees; `version`: tipstaff's, which stands in the file."""
    router = APIRouter(prefix="/api/v1/rollouts", tags=["rollouts"])

    def answer(wanted: str, who: Identity) -> StreamingResponse:
        try:
            record = read_record(folder.data, wanted, look)
        except NoRecord as error:
            refuse_elsewhere(tables)
            raise not_found("rollout", str(error)) from error
        trail.tell(who.name, "bundle.exported", record.kept.state.rollout)
        pieces = bundle(folder.data, record, version)
        name = f"{record.kept.state.rollout}.zip"
        return StreamingResponse(
            _begun(pieces),
            media_type="application/zip",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    @router.get(
        "/bundle",
        summary="The newest rollout, to be checked",
        response_class=StreamingResponse,
        responses={**_ZIP, **problems(404, 409)},
    )
    def newest(who: Who) -> StreamingResponse:
        """As the one of one rollout."""
        return answer("", who)

    @router.get(
        "/{rollout:path}/bundle",
        summary="A rollout, to be checked",
        response_class=StreamingResponse,
        responses={**_ZIP, **problems(404, 409)},
    )
    def one(rollout: str, who: Who) -> StreamingResponse:
        """A zip with its plan, constitution, verdicts without text, labels, inputs and all decisions, for
        `tipstaff rollout verify`. `rollout`: its id, or a model for its newest. One that is cut off is no zip.
        """
        return answer(rollout, who)

    return router


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The first piece is made before the answer begins, so that what fails at once is no half file."""
    return chain((next(pieces),), pieces)
