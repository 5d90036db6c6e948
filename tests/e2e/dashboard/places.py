"""The dashboard's pages, and when one has come."""

from playwright.sync_api import Locator, expect

from gateway.demo.acts import MODEL
from tests.support.browser import Visitor
from tests.support.demorun import DemoRun
from tests.support.wait import until

PLACES = {
    "rollout": "rollout",
    "violations": "violations",
    "exchanges": "exchanges",
    "exchange": "exchanges/{exchange}",
    "review": "review",
    "constitution": "constitution",
    "decisions": "decisions",
    "decision": "decisions/{decision}",
    "pipeline": "pipeline",
}
"""Name -> address below /dashboard/; the ids are of the run that is shown."""
NO_SAMPLE = r"answered 404: GET /api/v1/models/\S+/labels/queue"
"""How the page of the review hears that none was drawn yet."""
PATIENCE = 20.0


def address(place: str, run: DemoRun) -> str:
    """Where it is in that run: the opened exchange is one that was flagged, the decision one that rolled back."""
    exchange = decision = ""
    if "{exchange}" in PLACES[place]:
        flagged = {"model": MODEL, "arm": "canary", "finding": "violates", "limit": "1"}
        exchange = run.stack.admin.get("/api/v1/exchanges", params=flagged).json()["exchanges"][0]["id"]
    if "{decision}" in PLACES[place]:
        decision = run.made("roll_back")["decision"]["id"]
    return f"/dashboard/{PLACES[place].format(exchange=exchange, decision=decision)}?model={MODEL}"


def go(visitor: Visitor, path: str) -> None:
    """Open it as a link from outside does, and wait until it has come."""
    visitor.expect_trouble(NO_SAMPLE)
    visitor.page.goto(path)
    arrive(visitor)


def arrive(visitor: Visitor) -> None:
    """Wait until nothing on the page is still being loaded."""
    expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
    until(lambda: not _loading(visitor).count() and not visitor.under_way, PATIENCE, "the page has come", 0.05)


def _loading(visitor: Visitor) -> Locator:
    return visitor.page.get_by_text("Loading")
