"""What users and models say is shown, and does nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gateway.demo.acts import MODEL
from tests.e2e.dashboard.conftest import Welcome
from tests.e2e.dashboard.places import arrive, go
from tests.support.browser import screenshot
from tests.support.components import requires
from tests.support.demorun import guarded
from tests.support.hostile import ANSWERS, BIDI, SCRIPTS, TERMINAL, TRAP, hostile
from tests.support.people import question
from tests.support.stack import Stack

pytestmark = requires("chromium")

INVISIBLE = "⟨U+{:04X}⟩"
SHOWN = {
    "scripts": SCRIPTS,
    "bidi controls": "pay ⟨U+202E⟩001,1⟨U+202C⟩ dollars, ⟨U+2066⟩admin⟨U+2069⟩, pay⟨U+200B⟩pal",
    "terminal escapes": "⟨U+001B⟩[2J⟨U+001B⟩[31mred",
    "a million characters": "0123456789abcdef 0123456789abcdef",
}
"""How an answer is shown."""
PLACES = ("exchanges", "exchanges/{}", "violations", "pipeline", "review")
AT_ONCE = 10_000
"""Characters."""
QUICK_MS = 2_000


@pytest.fixture(scope="module")
def stack(lasting_processes: set[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A gateway before a model that says it all; nothing but rules reads it."""
    folder = tmp_path_factory.mktemp("hostile")
    with hostile() as url, guarded(folder, {"stable": {"endpoints": [url]}}, scoring={"encoder": "none"}) as stack:
        lasting_processes.add(stack.pid())
        yield stack


def _asked(stack: Stack, words: str) -> str:
    """The id of an exchange with a hostile question, too, by a user who is called so."""
    body = question(MODEL, f"{words}: {SCRIPTS} {BIDI} {TERMINAL}")
    answer = stack.client.post("/v1/chat/completions", json=body, headers={"x-user-id": SCRIPTS})
    identifier = answer.headers["x-tipstaff-exchange"]
    stack.exchange(identifier)
    return identifier


def _inert(page: Page) -> None:
    """No script ran, and nothing of it became a part of the page."""
    assert page.evaluate(f"window.{TRAP}") is None
    assert page.locator("iframe, svg [onload], img[src=x], a[href^='javascript:'], main script").count() == 0


@pytest.mark.parametrize("words", ANSWERS)
def test_a_hostile_answer_is_shown_and_does_nothing(
    welcome: Welcome, stack: Stack, tmp_path: Path, words: str
) -> None:
    identifier = _asked(stack, words)
    visitor = welcome(stack, "ada")
    page = visitor.page
    go(visitor, f"/dashboard/exchanges/{identifier}?model={MODEL}")
    _inert(page)
    said = page.get_by_role("region", name="What was said")
    if words in SHOWN:
        expect(said.locator("pre").last).to_contain_text(SHOWN[words])
    else:
        expect(page.get_by_role("region", name="What was found")).to_contain_text("Not evaluated")
    assert page.evaluate("document.title").startswith("Exchanges")
    assert visitor.wider_than_window() == []
    screenshot(page, f"hostile-{words.replace(' ', '-')}", tmp_path)


@pytest.mark.parametrize("place", PLACES)
def test_a_page_with_hostile_texts_behind_it_stays_what_it_is(welcome: Welcome, stack: Stack, place: str) -> None:
    identifier = _asked(stack, "scripts")
    visitor = welcome(stack, "ada")
    go(visitor, f"/dashboard/{place.format(identifier)}?model={MODEL}&finding=any")
    _inert(visitor.page)
    assert visitor.wider_than_window() == []


def test_a_million_characters_do_not_hold_the_page_up(welcome: Welcome, stack: Stack) -> None:
    identifier = _asked(stack, "a million characters")
    visitor = welcome(stack, "ada")
    page = visitor.page
    go(visitor, f"/dashboard/exchanges/{identifier}?model={MODEL}")
    answer = page.get_by_role("region", name="What was said").locator("pre").last
    assert len(answer.inner_text()) <= AT_ONCE
    page.get_by_role("button", name="After").click()
    expect(page.get_by_text(f"characters {AT_ONCE + 1:,} to")).to_be_visible(timeout=QUICK_MS)
    page.get_by_role("link", name="Pipeline", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Pipeline", timeout=QUICK_MS)
    arrive(visitor)


@pytest.mark.parametrize(
    "path",
    [
        f"/dashboard/{SCRIPTS.replace('/', '%2F')}",
        f"/dashboard/exchanges?model={SCRIPTS}&principle={SCRIPTS}&cursor=0",
        f"/dashboard/decisions/{SCRIPTS.replace('/', '%2F')}",
        f"/dashboard/constitution?version={SCRIPTS}&words={SCRIPTS}",
        "/dashboard/%E0%A4%A",
    ],
    ids=["a page", "a filter", "a decision", "a version", "no UTF-8"],
)
def test_a_hostile_address_is_words_too(welcome: Welcome, stack: Stack, path: str) -> None:
    visitor = welcome(stack, "ada")
    visitor.expect_trouble(r"answered 4\d\d: GET /api/v1/")
    go(visitor, path)
    _inert(visitor.page)
