"""One person's text and hash, out of everything that tipstaff keeps."""

from datetime import datetime
from typing import Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.controller.forgetting import UnitForgetting
from gateway.controller.index import ExchangeIndex
from gateway.controller.problems import not_found
from gateway.controller.routers.values import Answer, example, moment, problems, refusals
from gateway.controller.routers.who import Who
from gateway.forgetting import Request

OUT_OF_REACH = (
    "backups, bundles and whatever else was copied out of the data folder",
    "folders of older formats that a migration left beside the data folder: data.format-1, ...",
    "files that were set aside: *.damaged, *.corrupt, *.v1, ... in the data folder",
    "what has gone to Kafka, until its topics' retention ends",
    "spans that a trace collector has, which hold texts where messages are captured",
    "the model servers' own logs",
)


class ForgetWanted(BaseModel):
    """Who: by the id that clients send for them, by an exchange of theirs, or by a hash as exchanges show it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"unit": "ada@example.org"}]})

    unit: str | None = Field(default=None, min_length=1, max_length=65536)
    exchange: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    unit_hash: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.unit, self.exchange, self.unit_hash)) != 1:
            raise ValueError("give one of unit, exchange and unit_hash")
        return self


class Forgotten(Answer):
    """`waits_for`: processes that still have something of them. `exchanges`: how many there were, once all is
    done.
    """

    model_config = example(
        name="0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        state="under_way",
        asked="2026-03-01T12:00:00.000125Z",
        ended=None,
        exchanges=None,
        waits_for=["proxy-0", "scorer-0"],
        out_of_reach=list(OUT_OF_REACH),
    )

    name: str = Field(description="What it is called in the audit stream; it leads back to nobody")
    state: Literal["under_way", "done"]
    asked: datetime
    ended: datetime | None = None
    exchanges: int | None = None
    waits_for: tuple[str, ...] = ()
    out_of_reach: tuple[str, ...] = Field(
        default=OUT_OF_REACH, description="What tipstaff cannot change: look there"
    )


def forget_router(forgetting: UnitForgetting, index: ExchangeIndex) -> APIRouter:
    """For operators."""
    router = APIRouter(prefix="/api/v1/forget", tags=["forget"])

    @router.post("", summary="Forget a person", responses=refusals(404, 503))
    def forget(wanted: ForgetWanted, who: Who) -> Forgotten:
        """All that came before this moment: texts are deleted, the hash becomes a random pseudonym that nobody
        knows, notes of people who labelled are emptied; numbers, decisions and the evidence stay as they are. It
        takes some seconds, and longer where there is much to look through.
        """
        unreached: tuple[str, ...] = ()
        if wanted.unit is not None:
            hashes = forgetting.hashes_of(wanted.unit)
            unreached = tuple(
                f"what the unit key {each} hid: name its file in old_unit_key_files"
                for each in forgetting.missing_keys()
            )
        elif wanted.unit_hash is not None:
            hashes = [bytes.fromhex(wanted.unit_hash)]
        else:
            event = index.verdict(wanted.exchange or "")
            if event is None:
                raise not_found("exchange", f"{wanted.exchange}: it has no verdict, or has it no more")
            hashes = [event.assignment.unit_hash]
        return _under_way(forgetting, forgetting.ask(hashes, who.name), unreached)

    @router.get("/{name}", summary="How far it is", responses=problems(404, 503))
    def state(name: str) -> Forgotten:
        """Of one that was asked for by name."""
        request = forgetting.under_way(name)
        if request is not None:
            return _under_way(forgetting, request)
        ended = forgetting.ended(name)
        if ended is None:
            raise not_found("request", f"to forget somebody, by the name {name!r}")
        return Forgotten(
            name=name,
            state="done",
            asked=moment(ended.asked_us),
            ended=moment(ended.ended_us),
            exchanges=ended.exchanges,
        )

    return router


def _under_way(forgetting: UnitForgetting, request: Request, unreached: tuple[str, ...] = ()) -> Forgotten:
    return Forgotten(
        out_of_reach=(*unreached, *OUT_OF_REACH),
        name=request.name,
        state="under_way",
        asked=moment(request.asked_us),
        waits_for=forgetting.waits_for(request),
    )
