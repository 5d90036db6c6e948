"""The visitors of these tests notice what they are there to notice: shown with a page that does it all."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from tests.support.browser import PHONE, Visitor, axe, chromium
from tests.support.components import ComponentUse, requires

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
GOOD = "<!doctype html><html lang=en><title>Good</title><main><h1>Good</h1><p>words</main>"
SCRIPTED = f"{GOOD}<link rel=icon href=data:,><script src=/page.js></script>"
ELSEWHERE = "http://127.0.0.1:9/away.png"


@contextmanager
def page(html: str, script: str = "", policy: str = POLICY) -> Iterator[str]:
    """A server of one page with one script, under the dashboard's policy; its origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = {"/": ("text/html", html), "/page.js": ("text/javascript", script)}.get(
                self.path, ("", "")
            )
            self.send_response(200 if kind else 404)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.send_header("content-security-policy", policy)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def visiting(browser: Browser, origin: str) -> Iterator[Visitor]:
    visitor = Visitor(browser, origin)
    try:
        visitor.page.goto("/")
        visitor.page.wait_for_load_state("networkidle")
        yield visitor
    finally:
        visitor.close()


@requires("chromium")
@pytest.mark.parametrize(
    ("script", "noticed"),
    [
        ("console.error('oh no')", "console error: oh no"),
        ("missing()", "page error: missing is not defined"),
        ("Promise.reject(new Error('unheard'))", "page error: unheard"),
        ("fetch('/nowhere')", "answered 404: GET /nowhere"),
        (f"fetch('{ELSEWHERE}').catch(() => 0)", f"policy: connect-src forbids {ELSEWHERE}"),
        ("document.body.innerHTML = '<b>x</b>'", "policy: require-trusted-types-for forbids"),
        ("document.body.append(Object.assign(document.createElement('script'), {text: '1'}))", "policy: "),
        ("document.body.style = ''; document.body.setAttribute('style', 'top: 0')", "policy: style-src-attr"),
    ],
)
def test_a_page_that_misbehaves_is_noticed(browser: Browser, script: str, noticed: str) -> None:
    with page(SCRIPTED, script) as origin, visiting(browser, origin) as visitor:
        assert any(line.startswith(noticed) for line in visitor.noticed), visitor.noticed
        with pytest.raises(AssertionError):
            visitor.assert_clean()
        visitor.expect_trouble(".")
        visitor.assert_clean()


@requires("chromium")
def test_a_request_to_elsewhere_is_noticed_where_no_policy_stops_it(browser: Browser) -> None:
    with (
        page(f"{GOOD}<img src={ELSEWHERE} alt=away>", policy="") as origin,
        visiting(browser, origin) as visitor,
    ):
        assert f"request to elsewhere: {ELSEWHERE}" in visitor.noticed


@requires("chromium", "axe-core")
def test_what_is_not_accessible_is_found_without_a_hole_in_the_policy(
    browser: Browser, components: ComponentUse
) -> None:
    bad = SCRIPTED.replace("<p>", "<input><p>")
    grey = "document.querySelector('p').style.color = '#ddd'"
    with page(bad, grey) as origin, visiting(browser, origin) as visitor:
        found = axe(visitor.page, components.path("axe-core"))
        assert sorted(line.split()[0] for line in found) == ["color-contrast", "label"]
        visitor.assert_clean()
    with page(SCRIPTED) as origin, visiting(browser, origin) as visitor:
        assert axe(visitor.page, components.path("axe-core")) == []
        visitor.assert_clean()


@requires("chromium")
def test_what_is_wider_than_the_window_is_named(browser: Browser) -> None:
    with page(f"{SCRIPTED}<table id=broad width=500><tr><td>x</table>") as origin:
        with visiting(browser, origin) as visitor:
            assert visitor.wider_than_window() == []
        visitor = Visitor(browser, origin, viewport={"width": PHONE[0], "height": PHONE[1]})
        visitor.page.goto("/")
        assert any('id="broad"' in line for line in visitor.wider_than_window())
        visitor.close()


@requires("chromium")
def test_bytes_and_the_first_paint_are_measured(browser: Browser) -> None:
    script = f"// {'x' * 50_000}"
    with page(SCRIPTED, script) as origin, visiting(browser, origin) as visitor:
        assert 50_000 < visitor.transferred["/page.js"] < 51_000
        assert 0 < visitor.first_paint_ms() < 60_000


@requires("chromium")
def test_once_it_is_closed_other_tests_have_a_loop(browser: Browser, components: ComponentUse) -> None:
    """In a thread of its own, as one browser is open in this one."""
    told: list[str] = []

    def use() -> None:
        with chromium(components.path("chromium")) as (own, leaders):
            assert leaders
            told.append(own.version)
        asyncio.run(asyncio.sleep(0))
        told.append("has a loop")

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(60)
    assert told == [browser.version, "has a loop"]
