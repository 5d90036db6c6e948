"""The committed dashboards over a real run: every panel shows what the event log says, and can be drawn."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.components import ComponentUse, requires
from tests.support.grafana import boards
from tests.support.grafana.account import Account
from tests.support.grafana.expected import Ask, never, nothing
from tests.support.grafana.picture import lines, picture
from tests.support.grafana.run import Run, run
from tests.support.grafana.table import BUSY, CHOICES, ELSEWHERE, EXPECTED

BEFORE = 0.001
"""Seconds by which a window is longer than the time between its samples, so that it has both."""


def test_every_panel_is_in_the_table() -> None:
    known = [(uid, title) for uid, panels in EXPECTED.items() for title in panels] + list(ELSEWHERE)
    assert sorted(known) == sorted(panel.name for panel in boards.shown())


@requires("prometheus")
@pytest.mark.timeout(300)
def test_every_panel_shows_what_happened(components: ComponentUse, tmp_path: Path) -> None:
    with run(tmp_path, components.path("prometheus")) as lived:
        account, start, end = lived.account()
        wrong = [
            f"{panel.uid}, {panel.title}: {complaint}"
            for panel in boards.shown()
            if panel.name not in ELSEWHERE
            for complaint in _complaints(lived, panel, account, end)
        ]
        wrong += [
            f"variable {label}: {complaint}"
            for selector, label in boards.choices()
            for complaint in _asked(lived, CHOICES[label], account, f"group by ({label}) ({selector})", end)
        ]
        assert not wrong, "\n".join(wrong)
        _draw(lived, Path(os.environ.get("TIPSTAFF_PICTURES", tmp_path)), start, end)


def _complaints(lived: Run, panel: boards.Shown, account: Account, end: float) -> Iterator[str]:
    asks = EXPECTED[panel.uid][panel.title]
    assert len(asks) == len(panel.queries)
    at = lived.busy_at if panel.name in BUSY else end
    for ask, (expression, _) in zip(asks, panel.queries, strict=True):
        yield from _asked(lived, ask, account, expression, at)


def _asked(lived: Run, ask: Ask, account: Account, expression: str, at: float) -> Iterator[str]:
    asked = boards.substituted(expression, account.seconds + BEFORE)
    found = {frozenset(labels.items()): value for labels, value in lived.server.query(asked, at)}
    yield from (f"{complaint} in {asked}" for complaint in _differences(ask, account, found))


def _differences(ask: Ask, account: Account, found: dict[frozenset[tuple[str, str]], float]) -> Iterator[str]:
    wanted = ask(account)
    if bool(found) == (ask is never):
        yield "no series" if ask is not never else "there are series"
    if not wanted.values and ask not in (nothing, never):
        yield "the run had nothing of it"
    for labels in wanted.values.keys() - found.keys():
        yield f"{dict(labels)} is missing, {wanted.values[labels]} expected"
    for labels, value in found.items():
        if not wanted.fits(labels, value):
            yield f"{dict(labels)} is {value}, {wanted.values.get(labels, 0.0)} expected"


def _draw(lived: Run, folder: Path, start: float, end: float) -> None:
    """A picture of each dashboard, and something on each of its panels."""
    folder.mkdir(parents=True, exist_ok=True)
    for uid in EXPECTED:
        panels = [panel for panel in boards.shown() if panel.uid == uid]
        drawn = [(panel.title, lines(lived.server, panel, start, end)) for panel in panels]
        (folder / f"{uid}.svg").write_text(picture(uid, drawn, end - start))
        empty = [title for title, of in drawn if not of and (uid, title) not in ELSEWHERE]
        assert empty == []
