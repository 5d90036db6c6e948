"""A Chromium as users have it, and visitors who notice everything in it that no page of ours may do.

Playwright's loop runs in the thread that uses it: between `chromium()`'s begin and end `asyncio.run` does not work
there, so tests that share it are in a package of their own.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 10_000
"""How long is waited for what is expected of a page: its gateway and the models share two cores with it."""
WIDE, PHONE = (1280, 900), (375, 812)
"""Width and height, CSS pixels."""
_LEFT_ALONE = "net::ERR_ABORTED"
"""Of a request that the page itself gave up, as each does with its stream when one leaves it."""
_STATUS_TOLD_ANYWAY = "Failed to load resource: the server responded with a status of"
_WATCH = """addEventListener("securitypolicyviolation", (event) => tellOfViolation(
  `${event.effectiveDirective} forbids ${event.blockedURI} ${event.sample} in ${event.sourceFile}`));
"""
_PAINTED = """() => new Promise((done) => new PerformanceObserver((list) => {
  for (const entry of list.getEntriesByName("first-contentful-paint")) done(entry.startTime);
}).observe({type: "paint", buffered: true}))"""
_WIDER = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  const out = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > wide + 0.5);
  return [`the page is ${document.documentElement.scrollWidth} px wide, the window ${wide} px`,
    ...out.slice(0, 8).map((e) => `${Math.round(e.getBoundingClientRect().right)} px: ${e.cloneNode().outerHTML}`)];
}"""
_AXE = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"


@contextmanager
def chromium(program: Path) -> Iterator[tuple[Browser, set[int]]]:
    """One with a profile of its own, and the session leaders among its processes (for `lasting_processes`)."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        before = _children()
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        try:
            yield browser, {pid for pid in _children() - before if os.getsid(pid) == pid}
        finally:
            browser.close()


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


class Visitor:
    """Somebody in front of `origin`, with a browser that knows nothing of others: no cookie, nothing cached.

    `noticed`: what must not be, a line each: what the console or the page calls an error, requests that fail, are
    refused, or go elsewhere, and what the Content-Security-Policy forbids. `under_way`: requests that have not
    ended, streams left out. `transferred`: path -> bytes that came for it, with their heads.
    """

    def __init__(self, browser: Browser, origin: str, **options: Any) -> None:  # noqa: ANN401 - of new_context
        self.origin = origin
        self.noticed: list[str] = []
        self.under_way: set[Request] = set()
        self.transferred: Counter[str] = Counter()
        self._paths: dict[str, str] = {}
        self._expected: list[str] = []
        size = {"width": WIDE[0], "height": WIDE[1]}
        self.context = browser.new_context(
            **{"base_url": origin, "viewport": size, "reduced_motion": "reduce", "locale": "en-GB", **options}
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.expose_binding("tellOfViolation", lambda _, said: self._notice(f"policy: {said}"))
        self.context.add_init_script(_WATCH)
        self.context.on("console", self._said)
        self.context.on("weberror", lambda error: self._notice(f"page error: {error.error}"))
        self.context.on("request", self._asked)
        self.context.on("requestfinished", self._ended)
        self.context.on("requestfailed", self._failed)
        self.context.on("response", self._answered)
        self.page = self.context.new_page()
        network = self.context.new_cdp_session(self.page)
        network.on("Network.requestWillBeSent", self._going)
        network.on("Network.loadingFinished", self._came)
        network.send("Network.enable")

    def close(self) -> None:
        """Leave."""
        self.context.close()

    def sign_in(self, token: str) -> None:
        """As the page does it, without the page."""
        answer = self.context.request.post("/api/v1/session", data={"token": token})
        assert answer.ok, answer.text()

    def expect_trouble(self, pattern: str) -> None:
        """What matches it may be noticed: `assert_clean` does not mind."""
        self._expected.append(pattern)

    def assert_clean(self) -> None:
        """Nothing was noticed but what was expected."""
        bad = [line for line in self.noticed if not any(re.search(each, line) for each in self._expected)]
        assert not bad, "\n".join(bad)

    def first_paint_ms(self) -> float:
        """From the navigation to the first text or picture, as the browser itself timed it."""
        painted: float = self.page.evaluate(_PAINTED)
        return painted

    def wider_than_window(self) -> list[str]:
        """What makes the page scroll sideways, a line each; empty when it does not."""
        found: list[str] = self.page.evaluate(_WIDER)
        return found

    def _notice(self, line: str) -> None:
        self.noticed.append(line)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_STATUS_TOLD_ANYWAY):
            self._notice(f"console {message.type}: {message.text} ({message.location['url']})")

    def _asked(self, request: Request) -> None:
        where = urlsplit(request.url)
        if where.scheme not in {"data", "blob"} and f"{where.scheme}://{where.netloc}" != self.origin:
            self._notice(f"request to elsewhere: {request.url}")
        if request.resource_type != "eventsource":
            self.under_way.add(request)

    def _ended(self, request: Request) -> None:
        self.under_way.discard(request)

    def _failed(self, request: Request) -> None:
        self._ended(request)
        if request.failure != _LEFT_ALONE:
            self._notice(f"request failed: {request.method} {self._path(request)} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._notice(f"answered {response.status}: {response.request.method} {self._path(response.request)}")

    def _path(self, request: Request) -> str:
        return request.url.removeprefix(self.origin)

    def _going(self, event: dict[str, Any]) -> None:
        self._paths[event["requestId"]] = urlsplit(event["request"]["url"]).path

    def _came(self, event: dict[str, Any]) -> None:
        self.transferred[self._paths[event["requestId"]]] += round(event["encodedDataLength"])


def axe(page: Page, source: Path) -> list[str]:
    """What axe-core finds wrong with the page as it is now, a line for each element.

    It comes by the debugger, which no Content-Security-Policy binds: the page's own stays as strict as it is.
    """
    debugger = page.context.new_cdp_session(page)
    debugger.send("Runtime.evaluate", {"expression": source.read_text(encoding="utf-8")})
    debugger.detach()
    found: list[dict[str, Any]] = page.evaluate(_AXE)
    return [
        f"{rule['id']} ({rule['impact']}): {' '.join(node['failureSummary'].split())} | {node['html'][:200]}"
        for rule in found
        for node in rule["nodes"]
    ]


def screenshot(page: Page, name: str, folder: Path) -> Path:
    """The whole page as `name`.png in the folder that TIPSTAFF_PICTURES names, else in `folder`."""
    path = Path(os.environ.get("TIPSTAFF_PICTURES", folder)) / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
