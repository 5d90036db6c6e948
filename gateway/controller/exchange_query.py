"""From a filter to SQL over the index of exchanges. Pure; the most selective index is named, never guessed."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from classifiers.verdict import Severity

Finding = Literal["violates", "provocation", "not_evaluated"]


class Cursor(msgspec.Struct, frozen=True):
    """The place in a list after one exchange: lists run from the newest to the oldest."""

    time_us: int
    id: str


class ExchangeFilter(msgspec.Struct, frozen=True):
    """What an exchange must be to be listed; what is left out does not matter.

    `arm` is the assigned one. `principle` goes with `finding` violates (also when that is left out) or
    provocation. `severity`: at least this. Times: since <= canonical time < until, in microseconds. `among`: one of
    these ids, which are few.
    """

    model: str | None = None
    arm: str | None = None
    principle: str | None = None
    finding: Finding | None = None
    severity: Severity | None = None
    refusal: bool | None = None
    over_refusal: bool | None = None
    evaluated: bool | None = None
    status: int | None = None
    forced: bool | None = None
    since_us: int | None = None
    until_us: int | None = None
    among: Sequence[str] | None = None


class ExchangeRow(msgspec.Struct, frozen=True):
    """One exchange as it is listed: no text."""

    id: str
    time_us: int
    model: str
    arm: str
    served: str
    route: str
    status: int
    reason: str
    streamed: bool
    forced: bool
    unit_kind: str
    unit: str
    severity: Severity | None
    deciding: str | None
    violated: tuple[str, ...]
    provoked: tuple[str, ...]
    refusal: bool | None
    over_refusal: bool | None
    not_evaluated: str | None
    first_byte_seconds: float | None
    total_seconds: float
    request_bytes: int
    response_bytes: int


_COLUMNS = (
    "id, time_us, model, arm, served, route, status, reason, streamed, forced, unit_kind, unit, severity, "
    "deciding, violated, provoked, refusal, over_refusal, not_evaluated, first_byte, total, request_bytes, "
    "response_bytes"
)
_PREFIXED = ", ".join(f"e.{name}" for name in _COLUMNS.split(", "))
_NAMED = """EXISTS (SELECT 1 FROM principles p
    WHERE (p.principle, p.finding) = (?, ?) AND p.time_us = e.time_us AND p.id = e.id)"""
_SEVERITIES = tuple(Severity)


def row_of(values: tuple[Any, ...]) -> ExchangeRow:
    """A row of the query of `select`."""
    row = dict(zip(ExchangeRow.__struct_fields__, values, strict=True))
    row["severity"] = None if row["severity"] is None else _SEVERITIES[row["severity"]]
    for name in ("violated", "provoked"):
        row[name] = tuple(row[name].split())
    for name in ("streamed", "forced", "refusal", "over_refusal"):
        row[name] = None if row[name] is None else bool(row[name])
    return ExchangeRow(**row)


def select(wanted: ExchangeFilter, limit: int, after: Cursor | None) -> tuple[str, tuple[object, ...]]:
    """The query and its values. Raises ValueError for a principle together with `not_evaluated`."""
    if wanted.principle is not None and wanted.finding == "not_evaluated":
        raise ValueError("finding=not_evaluated is of a whole exchange: leave principle out")
    if wanted.among is not None:
        return _of_few(wanted, wanted.among, limit, after)
    if wanted.principle is not None:
        return _of_principle(wanted, limit, after)
    conditions, values = _joined(_conditions(wanted), _range(wanted, after, ""))
    where = f"WHERE {conditions}" if conditions else ""
    source = f"exchanges INDEXED BY {_index(wanted)}"
    return f"SELECT {_COLUMNS} FROM {source} {where} ORDER BY time_us DESC, id DESC LIMIT ?", (*values, limit)  # noqa: S608


def _of_principle(wanted: ExchangeFilter, limit: int, after: Cursor | None) -> tuple[str, tuple[object, ...]]:
    named = [("p.principle = ?", wanted.principle), ("p.finding = ?", wanted.finding or "violates")]
    others = _conditions(msgspec.structs.replace(wanted, finding=None))
    conditions, values = _joined(named, _range(wanted, after, "p."), others)
    source = "principles p CROSS JOIN exchanges e ON e.id = p.id"
    order = "ORDER BY p.time_us DESC, p.id DESC LIMIT ?"
    return f"SELECT {_PREFIXED} FROM {source} WHERE {conditions} {order}", (*values, limit)  # noqa: S608


def _of_few(
    wanted: ExchangeFilter, among: Sequence[str], limit: int, after: Cursor | None
) -> tuple[str, tuple[object, ...]]:
    """Each is looked up by its id, so that nothing else is looked at."""
    named: list[Condition] = []
    if wanted.principle is not None:
        named = [(_NAMED, (wanted.principle, wanted.finding or "violates"))]
        wanted = msgspec.structs.replace(wanted, finding=None)
    conditions, values = _joined(named, _conditions(wanted), _range(wanted, after, "e."))
    where = f"WHERE {conditions}" if conditions else ""
    source = "json_each(?) few CROSS JOIN exchanges e ON e.id = few.value"
    order = "ORDER BY e.time_us DESC, e.id DESC LIMIT ?"
    return f"SELECT {_PREFIXED} FROM {source} {where} {order}", (json.dumps(among), *values, limit)  # noqa: S608


Condition = tuple[str, object]
_ALWAYS = object()
"""In the place of a value: the condition has none."""


def _conditions(wanted: ExchangeFilter) -> Iterator[Condition]:
    for name in ("model", "arm", "status", "refusal", "over_refusal", "forced"):
        value = getattr(wanted, name)
        if value is True:
            yield f"{name} = 1", _ALWAYS  # as in the partial index, which a bound value would not match
        elif value is not None:
            yield f"{name} = ?", value
    if wanted.evaluated is not None:
        yield f"not_evaluated IS {'' if wanted.evaluated else 'NOT '}NULL", _ALWAYS
    if wanted.severity is not None:
        yield "severity >= ?", wanted.severity.rank
    if wanted.finding is not None:
        yield _FINDINGS[wanted.finding], _ALWAYS


_FINDINGS = {
    "violates": "severity IS NOT NULL",
    "provocation": "provoked != ''",
    "not_evaluated": "not_evaluated IS NOT NULL",
}


def _range(wanted: ExchangeFilter, after: Cursor | None, prefix: str) -> Iterator[Condition]:
    if wanted.since_us is not None:
        yield f"{prefix}time_us >= ?", wanted.since_us
    if wanted.until_us is not None:
        yield f"{prefix}time_us < ?", wanted.until_us
    if after is not None:
        yield f"({prefix}time_us, {prefix}id) < (?, ?)", (after.time_us, after.id)


def _joined(*groups: Any) -> tuple[str, tuple[object, ...]]:  # noqa: ANN401 - iterables of Condition
    conditions = [condition for group in groups for condition in group]
    values: list[object] = []
    for _, value in conditions:
        if isinstance(value, tuple):
            values += value
        elif value is not _ALWAYS:
            values.append(value)
    return " AND ".join(text for text, _ in conditions), tuple(values)


def _index(wanted: ExchangeFilter) -> str:
    """The index that leaves the fewest rows to look at, by what is rare in traffic."""
    choices = (
        (wanted.forced, "by_forced"),
        (wanted.over_refusal, "by_over_refusal"),
        (wanted.finding == "not_evaluated" or wanted.evaluated is False, "by_not_evaluated"),
        (wanted.severity is not None or wanted.finding == "violates", "by_violation"),
        (wanted.status not in (None, 200), "by_status"),
        (wanted.finding == "provocation", "by_provocation"),
        (wanted.refusal, "by_refusal"),
        (wanted.arm is not None, "by_arm"),
        (wanted.model is not None, "by_model"),
    )
    return next((name for chosen, name in choices if chosen), "by_time")
