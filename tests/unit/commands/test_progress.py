"""A bar that shows only what takes long, and only to people."""

from io import StringIO

import pytest
from rich.console import Console

from gateway.commands.progress import late_bar
from tests.support.manual_clock import ManualClock


def shown(seconds: float, *, terminal: bool) -> str:
    clock, written = ManualClock(), StringIO()
    console = Console(file=written, force_terminal=terminal, width=80)
    with late_bar("exchanges", clock, console) as progress:
        progress(1, 10)
        clock.advance(seconds)
        progress(2, 10)
        progress(3, 10)
    return written.getvalue()


@pytest.mark.parametrize(("seconds", "terminal"), [(1.9, True), (60.0, False)])
def test_what_is_quick_and_what_nobody_sees_has_none(seconds: float, *, terminal: bool) -> None:
    assert shown(seconds, terminal=terminal) == ""


def test_from_two_seconds_on_it_says_how_far_it_is() -> None:
    assert "30%" in shown(2.0, terminal=True)
