"""From a rollback to the answers behind it, and what people make of them."""

import json
import re

from playwright.sync_api import expect

from gateway.demo.acts import MODEL
from tests.e2e.dashboard.conftest import Welcome
from tests.e2e.dashboard.places import address, arrive, go
from tests.support.components import requires
from tests.support.demorun import DemoRun

pytestmark = requires("chromium")

LABELS = 10


def test_the_exchange_that_did_it_is_found(welcome: Welcome, finished: DemoRun) -> None:
    visitor = welcome(finished.stack, "board")
    page = visitor.page
    go(visitor, address("rollout", finished))
    made = page.get_by_role("region", name="Decisions of this rollout")
    made.get_by_role("link", name="freeze", exact=True).click()
    arrive(visitor)
    straw = finished.made("freeze")["exchanges"][0]
    page.get_by_role("region", name="The decision").locator(f"a[href*='{straw}']").press("Enter")
    arrive(visitor)
    shown = finished.stack.exchange(straw)
    said = page.get_by_role("region", name="What was said")
    expect(said).to_contain_text(shown["text"]["answers"][0]["text"][:40])
    found = page.get_by_role("region", name="What was found")
    expect(found).to_contain_text(shown["verdict"]["deciding"]["principle"].replace("_", " "))
    expect(page.get_by_role("region", name="Who got which arm")).to_contain_text(shown["assignment"]["arm"])


def test_flagged_exchanges_are_filtered_opened_and_taken_along(welcome: Welcome, finished: DemoRun) -> None:
    visitor = welcome(finished.stack, "board")
    page = visitor.page
    go(visitor, address("rollout", finished))
    page.get_by_role("link", name="The canary's flagged exchanges").click()
    arrive(visitor)
    rows = page.get_by_role("region", name="Exchanges, newest first").get_by_role("row")
    flagged = finished.stack.exchanges(model=MODEL, arm="canary", finding="violates")
    worst = [each for each in flagged if each["severity"] == "critical"]
    page.get_by_label("At least").select_option("critical")
    arrive(visitor)
    expect(rows).to_have_count(1 + min(len(worst), 50))
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    lines = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert [each["id"] for each in lines] == [each["id"] for each in worst]
    assert all(each["text"] for each in lines)
    rows.nth(1).get_by_role("link").first.click()
    arrive(visitor)
    expect(page.get_by_role("region", name="What was found")).to_contain_text("critical")
    assert page.url.split("/exchanges/")[1].startswith(worst[0]["id"])


def test_ten_exchanges_are_labelled_by_keyboard(welcome: Welcome, own_finished: DemoRun) -> None:
    visitor = welcome(own_finished.stack, "ada")
    page = visitor.page
    go(visitor, address("review", own_finished))
    expect(page.get_by_text("No sample has been drawn yet")).to_be_visible()
    page.get_by_label("Exchanges", exact=True).fill("20")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    judged = page.get_by_role("region", name="The answer to be judged")
    effect = page.get_by_role("region", name="What the labels change").get_by_role("row")
    for number in range(LABELS):
        expect(judged.get_by_role("heading", name=f"{number + 1} of 20")).to_be_visible()
        expect(judged.locator("pre").first).to_be_visible()
        page.keyboard.press("1" if number % 2 else "2")
    expect(judged.get_by_role("heading", name=f"{LABELS + 1} of 20")).to_be_visible()
    expect(judged.get_by_role("status").filter(has_text="The last one")).to_contain_text("you said violates")
    arrive(visitor)
    summary = own_finished.stack.admin.get(f"/api/v1/models/{MODEL}/labels/summary").json()
    assert sum(arm["labels"] for arm in summary["arms"]) == LABELS
    for arm in summary["arms"]:
        row = effect.filter(has_text=arm["arm"])
        expect(row.get_by_role("cell").nth(1)).to_have_text(str(arm["labels"]))
        expect(row.get_by_role("cell").nth(3)).to_have_text(re.compile("…" if arm["corrected"] else "needs labels"))
    assert any(arm["corrected"] for arm in summary["arms"]), "ten labels of twenty meet both strata of an arm"
    page.keyboard.press("z")
    expect(judged.get_by_role("heading", name=f"{LABELS} of 20")).to_be_visible()
