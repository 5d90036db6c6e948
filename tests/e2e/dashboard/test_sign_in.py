"""Who one is, and what one may do: signing in and out, and a viewer who tries what an operator may."""

import re

from playwright.sync_api import BrowserContext, Page, expect

from gateway.demo.acts import MODEL
from tests.e2e.dashboard.conftest import Welcome
from tests.e2e.dashboard.places import address, arrive, go
from tests.support.browser import PHONE
from tests.support.components import requires
from tests.support.demorun import DemoRun, token

pytestmark = requires("chromium")

SIGNED_OUT = "answered 401"
REASON = "the support desk hears complaints"


def _sign_in(page: Page, name: str) -> None:
    """As a person does."""
    page.get_by_label("Admin token").fill(token(name))
    page.get_by_role("button", name="Sign in").click()


def _session(context: BrowserContext) -> list[tuple[bool | None, str | None]]:
    """Of each cookie whether scripts are kept from it, and who may send it."""
    return [(each.get("httpOnly"), each.get("sameSite")) for each in context.cookies()]


def test_one_signs_in_where_one_wanted_to_go_and_out_everywhere(welcome: Welcome, finished: DemoRun) -> None:
    visitor = welcome(finished.stack)
    visitor.expect_trouble(SIGNED_OUT)
    page = visitor.page
    go(visitor, address("decisions", finished))
    _sign_in(page, "nobody")
    expect(page.get_by_role("alert")).to_be_visible()
    assert _session(visitor.context) == []
    _sign_in(page, "bob")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Decisions")
    expect(page.get_by_role("banner")).to_contain_text("bob")
    expect(page.get_by_role("banner")).to_contain_text("viewer")
    assert _session(visitor.context) == [(True, "Strict")]
    assert page.evaluate("document.cookie") == ""
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Decisions")

    other = visitor.context.new_page()
    other.goto("/dashboard/pipeline")
    expect(other.get_by_role("heading", level=1)).to_contain_text("Pipeline")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin token")).to_be_visible()
    other.get_by_role("link", name="Decisions", exact=True).click()
    expect(other.get_by_label("Admin token")).to_be_visible()
    assert visitor.context.request.get("/api/v1/status").status == 401


def test_a_viewer_reads_numbers_and_no_texts(welcome: Welcome, finished: DemoRun) -> None:
    visitor = welcome(finished.stack, "bob")
    go(visitor, address("exchange", finished))
    said = visitor.page.get_by_role("region", name="What was said")
    expect(said).to_contain_text("not for your role")
    expect(said.locator("pre")).to_have_count(0)
    auditor = welcome(finished.stack, "board")
    go(auditor, address("exchange", finished))
    expect(auditor.page.get_by_role("region", name="What was said").locator("pre").first).to_be_visible()


def test_a_viewer_tries_to_roll_back_and_an_operator_does(welcome: Welcome, running: DemoRun) -> None:
    viewer = welcome(running.stack, "bob")
    operator = welcome(running.stack, "ada", viewport={"width": PHONE[0], "height": PHONE[1]})
    with running.asking():
        running.start()
        go(viewer, address("rollout", running))
        button = viewer.page.get_by_role("button", name="Roll back")
        expect(button).to_be_disabled()
        expect(button).to_have_accessible_description(re.compile("Needs an operator: you are signed in as bob"))
        button.click(force=True)
        expect(viewer.page.get_by_role("dialog")).to_have_count(0)
        refused = viewer.context.request.post(
            f"/api/v1/models/{MODEL}/rollout/rollback", data={"reason": "I may not"}
        )
        assert refused.status == 403
        assert running.rollout()["status"] == "running"

        page = operator.page
        go(operator, address("rollout", running))
        page.get_by_role("button", name="Roll back").click()
        dialog = page.get_by_role("dialog")
        send = dialog.get_by_role("button", name="Roll back")
        expect(send).to_be_disabled()
        dialog.get_by_role("textbox").fill(REASON)
        send.click()
        expect(dialog).to_have_count(0)
        ended = page.get_by_role("region", name="Now").get_by_role("heading", name="rolled back")
        expect(ended).to_be_visible()
        expect(viewer.page.get_by_role("region", name="Now")).to_contain_text("rolled back")
    arrive(operator)
    made = running.made("roll_back")["decision"]
    assert (made["actor"], made["reason"]) == ("ada", REASON)


def test_all_of_it_by_keyboard(welcome: Welcome, own_finished: DemoRun) -> None:
    visitor = welcome(own_finished.stack)
    visitor.expect_trouble(SIGNED_OUT)
    page, press = visitor.page, visitor.page.keyboard.press
    go(visitor, address("rollout", own_finished))
    expect(page.get_by_label("Admin token")).to_be_focused()
    page.keyboard.type(token("ada"))
    press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    arrive(visitor)
    page.reload()
    arrive(visitor)
    _tab_to(page, "To the content")
    press("Enter")
    _tab_to(page, "Start a rollout")
    press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Start a rollout")).to_be_focused()
    press("Enter")
    _tab_to(page, "Reason (kept in the decision)")
    page.keyboard.type("the fix is in")
    _tab_to(page, "Start a rollout")
    press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("region", name="Now").get_by_role("heading", name="running")).to_be_visible()


def _tab_to(page: Page, name: str, most: int = 80) -> None:
    """Press Tab until what is called `name` has the focus, and see that the focus can be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and _called(focused.evaluate(_NAMES), name):
            assert focused.evaluate(_SEEN), f"nothing shows that {name} has the focus"
            return
    raise AssertionError(f"{most} times Tab, and {name} never had the focus")


def _called(names: list[str], name: str) -> bool:
    return any(each.strip() == name for each in names)


_NAMES = "(e) => [e.ariaLabel ?? '', e.textContent, ...[...(e.labels ?? [])].map((label) => label.textContent)]"
_SEEN = "(e) => getComputedStyle(e).outlineStyle !== 'none'"
