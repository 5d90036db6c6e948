"""Whoever has the page open sees what happens, and that they no longer do when the connection is lost."""

import os
import re
import signal
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.dashboard.conftest import Welcome
from tests.e2e.dashboard.places import address, arrive, go
from tests.support.browser import screenshot
from tests.support.components import requires
from tests.support.demorun import PLAN, DemoRun

pytestmark = requires("chromium")

COURSE_MS = 60_000
"""Until evidence has done its part."""
LOST_MS = 30_000
"""A silence is one after 12 s; a machine that is busy notices later."""


def _stays(page: Page) -> None:
    """From here on it is known whether the page was loaded anew."""
    page.evaluate("window.sinceThen = true")


def _stayed(page: Page) -> bool:
    stayed: bool = page.evaluate("window.sinceThen === true")
    return stayed


def test_a_bad_canary_is_seen_being_rolled_back(welcome: Welcome, running: DemoRun, tmp_path: Path) -> None:
    visitor = welcome(running.stack, "bob")
    page = visitor.page
    glance = page.get_by_role("region", name="At a glance")
    rollout, safety = (glance.get_by_role("group", name=name) for name in ("Rollout", "Safety"))
    now = page.get_by_role("region", name="Now")
    share = page.get_by_role("img", name="Share of users").first
    go(visitor, address("rollout", running))
    expect(page.get_by_text("No rollout has run yet")).to_be_visible()
    expect(rollout.get_by_role("img", name="nothing")).to_be_visible()
    screenshot(page, "state-idle", tmp_path)
    _stays(page)
    with running.asking():
        running.start()
        expect(rollout.get_by_role("img", name="fine")).to_be_visible()
        expect(now.get_by_role("heading", name="running")).to_be_visible()
        expect(share).to_have_accessible_name(re.compile(r"canary 20 %"))
        running.await_share(PLAN["stages"][1])
        expect(share).to_have_accessible_name(re.compile(r"canary (40|50) %"))
        expect(safety.get_by_role("img", name="fine")).to_be_visible()
        screenshot(page, "state-running", tmp_path)
        running.turn()
        expect(safety.get_by_role("img", name=re.compile("act|look here"))).to_be_visible(timeout=COURSE_MS)
        screenshot(page, "state-frozen", tmp_path)
        expect(now.get_by_role("heading", name="rolled back")).to_be_visible(timeout=COURSE_MS)
        expect(share).to_have_accessible_name(re.compile(r"stable 100 %.*canary 0 %|canary 0 %.*stable 100 %"))
        expect(now).to_contain_text("the canary is worse")
    arrive(visitor)
    made = page.get_by_role("region", name="Decisions of this rollout")
    expect(made.get_by_role("link", name="roll back", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Evidence").get_by_role("img").first).to_be_visible()
    screenshot(page, "state-rolled-back", tmp_path)
    assert _stayed(page)


def test_a_silence_is_told_and_ends_by_itself(welcome: Welcome, own_finished: DemoRun, tmp_path: Path) -> None:
    """The controller hangs: no connection breaks, and nothing comes."""
    visitor = welcome(own_finished.stack, "ada")
    page = visitor.page
    go(visitor, address("rollout", own_finished))
    alert = page.get_by_role("alert").filter(has_text="Not live.")
    expect(alert).to_have_count(0)
    _stays(page)
    controller = own_finished.stack.pid("controller")
    os.kill(controller, signal.SIGSTOP)
    try:
        expect(alert).to_contain_text("What you see is as of", timeout=LOST_MS)
        screenshot(page, "state-stale", tmp_path)
    finally:
        os.kill(controller, signal.SIGCONT)
    expect(alert).to_have_count(0, timeout=LOST_MS)
    assert _stayed(page)


def test_a_gateway_that_was_away_is_found_again_by_who_was_signed_in(
    welcome: Welcome, own_finished: DemoRun
) -> None:
    visitor = welcome(own_finished.stack, "ada")
    visitor.expect_trouble("ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|answered 503")
    page = visitor.page
    go(visitor, address("decisions", own_finished))
    alert = page.get_by_role("alert").filter(has_text="Not live.")
    _stays(page)
    own_finished.stack.stop()
    expect(alert).to_be_visible(timeout=LOST_MS)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Decisions")
    own_finished.stack.start()
    expect(alert).to_have_count(0, timeout=LOST_MS)
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    assert _stayed(page)
