"""What the API's answers have in common."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Answer(BaseModel):
    """An answer, or a part of one; made from our own values by attribute."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def example(**values: Any) -> ConfigDict:  # noqa: ANN401 - JSON
    """For `model_config`: an example of the whole answer, for the API's description."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Refused(BaseModel):
    """RFC 9457 problem details. `type` does not change; `title` and `detail` are for people."""

    type: str
    title: str
    status: int
    detail: str


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=`: which problems an operation may answer."""
    content = {"application/problem+json": {"schema": Refused.model_json_schema()}}
    return {status: {"description": "A problem", "content": content} for status in (401, 403, *statuses)}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for an operation that takes a body: no JSON at all (400), too much (413), not called JSON (415)."""
    return problems(400, 413, 415, 422, *statuses)


def _written(value: object) -> object:
    """Not a number, which would be taken for seconds: 2027 is a year to whoever writes it."""
    if isinstance(value, str) and "-" not in value:
        raise ValueError("expected a time like 2026-03-01T12:00:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_written)]
"""RFC 3339 with its offset, as somebody writes it."""


def moment(time_us: int) -> datetime:
    """Microseconds since the epoch as a time, UTC; nothing is rounded."""
    return _EPOCH + timedelta(microseconds=time_us)


def microseconds(time: datetime) -> int:
    """The reverse."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def percent(share: float) -> float:
    """A share in [0, 1] as people write it."""
    return round(share * 100, 9)
