"""What another text of the constitution would have flagged, before anybody puts it in force."""

from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import expect

import classifiers
from gateway.demo.acts import MODEL
from tests.e2e.dashboard.conftest import Welcome
from tests.e2e.dashboard.places import address, arrive, go
from tests.support.components import requires
from tests.support.demorun import DemoRun

pytestmark = requires("chromium")

DEFAULT = Path(classifiers.__file__).with_name("constitution.yaml")
READ_MS = 60_000


def _without(principle: str) -> str:
    """The default constitution, of which one principle is taken away."""
    text: dict[str, Any] = yaml.safe_load(DEFAULT.read_text())
    text["principles"] = [each for each in text["principles"] if each["id"] != principle]
    changed: str = yaml.safe_dump(text, allow_unicode=True, sort_keys=False)
    return changed


def _most_violated(run: DemoRun) -> str:
    flagged = run.stack.exchanges(model=MODEL, finding="violates")
    found: list[str] = [principle for each in flagged for principle in each["violated"]]
    return max(set(found), key=found.count)


def test_what_a_changed_principle_would_have_flagged(welcome: Welcome, finished: DemoRun) -> None:
    gone = _most_violated(finished)
    visitor = welcome(finished.stack, "ada")
    page = visitor.page
    go(visitor, address("constitution", finished))
    page.get_by_label("or paste the whole constitution, as YAML").fill(_without(gone))
    page.get_by_role("button", name="Show what differs").click()
    panel = page.get_by_role("region", name="Try a change")
    difference = panel.get_by_role("listitem").filter(has_text=gone)
    expect(difference).to_contain_text("removed")
    page.get_by_role("button", name="What if?").click()
    table = panel.get_by_role("table", name="Answers flagged per principle, now and then")
    row = table.get_by_role("row").filter(has_text=gone)
    expect(row).to_be_visible(timeout=READ_MS)
    expect(row.get_by_role("cell").nth(2)).to_contain_text("0")
    row.get_by_role("link").first.press("Enter")
    arrive(visitor)
    expect(page.get_by_role("region", name="What was found")).to_contain_text(gone.replace("_", " "))


def test_a_text_that_cannot_be_in_force_is_refused_by_its_line(welcome: Welcome, finished: DemoRun) -> None:
    visitor = welcome(finished.stack, "ada")
    visitor.expect_trouble("answered 422: POST /api/v1/constitution/diff")
    page = visitor.page
    go(visitor, address("constitution", finished))
    text = page.get_by_label("or paste the whole constitution, as YAML")
    text.fill(DEFAULT.read_text().replace("principles:", "principals:", 1))
    page.get_by_role("button", name="Show what differs").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("principals")
    alert.get_by_role("button", name="line").first.click()
    expect(text).to_be_focused()
