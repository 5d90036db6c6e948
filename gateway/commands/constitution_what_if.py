"""`tipstaff constitution what-if`: kept texts of a data folder read again, whether the gateway runs or not."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from classifiers.constitution import SHORT
from gateway.app.constitution import load_constitution
from gateway.app.readers import Readers
from gateway.commands.words import moment
from gateway.configfile import load
from gateway.controller.index import look
from gateway.controller.rereading import SHOWN, Again, PrincipleRead, Progress, Reread, Rereading
from gateway.datafolder import refuse_another_format
from gateway.layout import DataFolder
from gateway.ports import Clock
from gateway.processlock import DataFolderError
from gateway.scoring.texts import KeptTexts
from gateway.settings import ConfigError, Settings

_ROW = "  {:<20} {:>9} {:>7} {:>7} {:>7} {:>10} {:>14}"
_NAMED = 3
"""Exchanges that are named for a principle, and each way; `--json` has more."""


class Wanted(msgspec.Struct, frozen=True):
    """As it is written on a command line."""

    limit: int
    model: str | None = None
    since: str | None = None


def what_if(config: Path, path: Path, wanted: Wanted, clock: Clock, progress: Progress) -> Reread:
    """What the constitution at `path` finds beside the configured one.

    Raises ConfigError, Unfit, DataFolderError, OSError, sqlite3.Error.
    """
    settings = load(config)
    again = Again(_model(settings, wanted.model), wanted.limit, _since_us(wanted.since))
    other = load_constitution(path)
    data = DataFolder(settings.data)
    if not data.index.exists():
        raise DataFolderError(f"data folder {data.root}: nothing has been scored yet, so there is nothing to read")
    refuse_another_format(data)
    texts = KeptTexts(data.texts, None, clock, settings.retention.days, settings.retention.bytes)
    in_force, readers = load_constitution(settings.constitution), Readers(settings.scoring)
    return Rereading(partial(look, data.index), texts.get, in_force, readers, clock).read(again, other, progress)


def _model(settings: Settings, wanted: str | None) -> str:
    known = sorted(settings.models)
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted not in settings.models:
        given = "no model given" if wanted is None else f"no model {wanted!r}"
        raise ConfigError([f"--model: {given}: there are {', '.join(known)}"])
    return wanted


def _since_us(since: str | None) -> int | None:
    if since is None:
        return None
    try:
        return (datetime.fromisoformat(since) - moment(0)) // timedelta(microseconds=1)
    except (ValueError, TypeError) as error:  # no time, or one without its offset
        raise ConfigError([f"--since {since}: expected a time like 2026-03-01T12:00:00Z"]) from error


def lines(found: Reread) -> Iterator[str]:
    """For a person: what changes by arm, then principles that either of both finds violated."""
    yield f"{found.before[:SHORT]} -> {found.after[:SHORT]}, both read from the texts as they are kept: redacted"
    yield f"{found.looked_at} exchanges read in {found.seconds:.1f} s; {found.without_text} more have no text"
    yield _ROW.format("arm", "exchanges", "before", "after", "", "", "").rstrip()
    for arm in found.arms:
        numbers = (arm.exchanges, arm.violating_before, arm.violating_after)
        yield _ROW.format(arm.arm, *numbers, "", "", "").rstrip()
    yield _ROW.format("principle", "", "before", "after", "newly", "no longer", "not evaluated")
    for each in found.principles:
        if each.before or each.after or each.not_evaluated_after != each.not_evaluated_before:
            yield from _principle(each)


def _principle(each: PrincipleRead) -> Iterator[str]:
    unknown = f"{each.not_evaluated_before} -> {each.not_evaluated_after}"
    newly, no_longer = (_most(ids) for ids in (each.newly, each.no_longer))
    yield _ROW.format(each.principle, "", each.before, each.after, newly, no_longer, unknown)
    for word, ids in (("newly", each.newly), ("no longer", each.no_longer)):
        if ids:
            yield f"    {word:<9} {' '.join(ids[:_NAMED])}"


def _most(ids: tuple[str, ...]) -> str:
    """How many; of so many that not all are named, at least how many."""
    return f"{len(ids)}+" if len(ids) == SHOWN else str(len(ids))
