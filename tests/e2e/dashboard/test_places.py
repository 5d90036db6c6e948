"""Every page of the dashboard, whatever is on it: light, quick, accessible in both themes, and on a phone too."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, Route, expect

from gateway.controller.shell import load
from tests.e2e.dashboard.conftest import Welcome
from tests.e2e.dashboard.places import PLACES, address, arrive, go
from tests.support.browser import PHONE, screenshot
from tests.support.components import requires
from tests.support.demorun import DemoRun

pytestmark = requires("chromium")

THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
HEAVIEST = 150_000
"""Bytes of the page as they are sent, with gzip; how much it shows is the gateway's to have."""
FIRST_PAINT_MS = 1000
NOBODY_YET = "answered 401: GET /api/v1/session"


@requires("axe-core")
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("place", PLACES)
def test_a_page_is_accessible(
    welcome: Welcome,
    finished: DemoRun,
    accessible: Callable[[Page], None],
    tmp_path: Path,
    place: str,
    theme: Literal["light", "dark"],
) -> None:
    visitor = welcome(finished.stack, "ada", color_scheme=theme)
    go(visitor, address(place, finished))
    screenshot(visitor.page, f"{place}-{theme}", tmp_path)
    accessible(visitor.page)


@requires("axe-core")
@pytest.mark.parametrize("theme", THEMES)
def test_whoever_is_not_signed_in_is_asked_to_and_sees_nothing(
    welcome: Welcome,
    finished: DemoRun,
    accessible: Callable[[Page], None],
    tmp_path: Path,
    theme: Literal["light", "dark"],
) -> None:
    visitor = welcome(finished.stack, color_scheme=theme)
    visitor.expect_trouble(NOBODY_YET)
    go(visitor, address("rollout", finished))
    expect(visitor.page.get_by_label("Admin token")).to_be_visible()
    expect(visitor.page.get_by_role("navigation")).to_have_count(0)
    screenshot(visitor.page, f"sign-in-{theme}", tmp_path)
    accessible(visitor.page)


@pytest.mark.parametrize("place", PLACES)
def test_a_page_fits_a_phone(welcome: Welcome, finished: DemoRun, tmp_path: Path, place: str) -> None:
    visitor = welcome(finished.stack, "ada", viewport={"width": PHONE[0], "height": PHONE[1]})
    go(visitor, address(place, finished))
    screenshot(visitor.page, f"{place}-phone", tmp_path)
    wider = visitor.wider_than_window()
    assert not wider, "\n".join(wider)


def test_all_that_a_browser_may_ever_load_is_light() -> None:
    shell = load()
    files = {"index.html": shell.page, **shell.assets}
    weights = {name: len(file.zipped) for name, file in files.items() if not name.endswith(".txt")}
    assert 0 < sum(weights.values()) <= HEAVIEST, weights


def test_the_first_page_is_light_and_painted_at_once(
    welcome: Welcome, finished: DemoRun, capsys: pytest.CaptureFixture[str]
) -> None:
    """The best of three who were never here: a machine of two cores has other things to do."""
    painted = []
    for _ in range(3):
        visitor = welcome(finished.stack, "ada")
        go(visitor, "/")
        painted.append(visitor.first_paint_ms())
        assert visitor.page.url.startswith(f"{finished.stack.admin_url}/dashboard/")
    page = sum(size for path, size in visitor.transferred.items() if path.startswith("/dashboard/"))
    with capsys.disabled():
        shown = ", ".join(f"{each:.0f} ms" for each in painted)
        print(f"\nfirst contentful paint: {shown}; transferred: {page:,} bytes for the first page,", end=" ")
        print(f"{visitor.transferred.total() - page:,} for what it shows")
    assert 0 < page <= HEAVIEST
    assert min(painted) <= FIRST_PAINT_MS


def test_a_page_is_the_same_by_link_by_reload_and_by_way_back(welcome: Welcome, finished: DemoRun) -> None:
    visitor = welcome(finished.stack, "ada")
    heading = visitor.page.get_by_role("heading", level=1)
    go(visitor, address("rollout", finished))
    visitor.page.get_by_role("link", name="Decisions", exact=True).click()
    arrive(visitor)
    expect(heading).to_contain_text("Decisions")
    visitor.page.reload()
    arrive(visitor)
    expect(heading).to_contain_text("Decisions")
    visitor.page.go_back()
    arrive(visitor)
    expect(heading).to_contain_text("Rollout")


def test_what_matters_first_stands_first(welcome: Welcome, finished: DemoRun) -> None:
    """Whichever of the API's answers comes first."""
    visitor = welcome(finished.stack, "ada")
    visitor.page.route("**/api/v1/models/*/rollout", _late)
    go(visitor, address("rollout", finished))
    expect(visitor.page.locator("main section").first).to_have_accessible_name("Now")
    expect(visitor.page.locator("main section").last).to_have_accessible_name("All rollouts")


def _late(route: Route) -> None:
    """After the answer to another request has come, of which the page has many."""
    with route.request.frame.page.expect_response("**/rollout/history"):
        pass
    route.continue_()
