"""The dashboard's page and its files: for everybody, kept by their content, under a policy that lets nothing in."""

import gzip
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gateway.controller import shell
from gateway.controller.refusals import counted
from gateway.controller.waiting import waiting_app
from tests.unit.controller.conftest import SHELL, Controller

STATIC = f"/dashboard/static/{SHELL.version}"
SCRIPT = f"{STATIC}/pages/app.js"
PAGES = ["/dashboard/", "/dashboard/rollout", "/dashboard/exchanges/0123", "/dashboard/no/such/place"]


def ask(controller: Controller, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    """As somebody who is not signed in, from elsewhere; nothing is unpacked."""
    given = {"accept-encoding": "identity", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return controller.call(method, path, headers=given, peer="10.0.0.9")


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., shell.Shell]:
    def make(**files: str) -> shell.Shell:
        contents = {"index.html": "<script src={static}/app.js>", "app.js": "1", **files}
        for name, content in contents.items():
            path = tmp_path / "web" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return shell.load(tmp_path / "web")

    return make


class TestLoading:
    def test_everything_that_a_browser_reads_is_there_by_its_path(self, made: Callable[..., shell.Shell]) -> None:
        found = made(**{"pages/a.js": "a", "vendor/b.mjs": "b", "c.svg": "c", "notes.md": "n", "__init__.py": ""})
        assert sorted(found.assets) == ["app.js", "c.svg", "pages/a.js", "vendor/b.mjs"]
        assert found.assets["vendor/b.mjs"].media_type == "text/javascript; charset=utf-8"
        assert found.assets["c.svg"].media_type == "image/svg+xml"
        for asset in (found.page, *found.assets.values()):
            assert gzip.decompress(asset.zipped) == asset.content

    def test_the_page_names_its_files_by_their_version(self, made: Callable[..., shell.Shell]) -> None:
        found = made()
        assert found.page.content == f"<script src=/dashboard/static/{found.version}/app.js>".encode()

    def test_the_version_is_that_of_all_of_them_together(self, made: Callable[..., shell.Shell]) -> None:
        first = made()
        assert made().version == first.version
        others = [made(**{"app.js": "2"}), made(**{"app.js": "1", "a.css": "b"}), made(**{"index.html": "page"})]
        assert len({first.version, *(each.version for each in others)}) == 4

    def test_a_folder_without_a_page_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"index\.html"):
            shell.load(tmp_path)

    def test_what_ships_is_whole(self) -> None:
        found = shell.load()
        assert b"{static}" not in found.page.content
        for attribute in (b'src="', b'href="'):
            for each in found.page.content.split(attribute)[1:]:
                name = each.partition(b'"')[0].decode()
                assert name.removeprefix(f"/dashboard/static/{found.version}/") in found.assets, name


class TestThePage:
    @pytest.mark.parametrize("path", PAGES)
    def test_is_the_same_wherever_one_comes_in(self, guarded: Controller, path: str) -> None:
        answer = ask(guarded, path)
        assert (answer.status_code, answer.content) == (200, SHELL.page.content)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"

    def test_lets_nothing_in_and_is_in_no_frame(self, guarded: Controller) -> None:
        headers = ask(guarded, "/dashboard/").headers
        (policy,) = headers.get_list("content-security-policy")
        assert policy == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        )
        assert headers["x-content-type-options"] == "nosniff"

    def test_is_where_one_is_led_with_what_one_asked(self, guarded: Controller) -> None:
        for path in ("/", "/dashboard"):
            for method in ("GET", "HEAD"):
                answer = ask(guarded, path, method)
                assert (answer.status_code, answer.headers["location"]) == (307, "/dashboard/")
        assert ask(guarded, "/dashboard?model=org/solo").headers["location"] == "/dashboard/?model=org/solo"

    def test_a_path_that_climbs_out_of_it_is_still_the_page(self, guarded: Controller) -> None:
        answer = ask(guarded, "/dashboard/%2e%2e/api/v1/status")
        assert (answer.status_code, answer.content) == (200, SHELL.page.content)


class TestItsFiles:
    def test_are_kept_for_ever(self, guarded: Controller) -> None:
        answer = ask(guarded, SCRIPT)
        assert (answer.status_code, answer.content) == (200, b"alert(1)")
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
        assert "etag" in answer.headers

    def test_are_not_sent_again_to_whoever_has_them(self, guarded: Controller) -> None:
        answer = ask(guarded, SCRIPT, if_none_match=ask(guarded, SCRIPT).headers["etag"])
        assert (answer.status_code, answer.content) == (304, b"")
        assert ask(guarded, SCRIPT, if_none_match='W/"another"').status_code == 200

    @pytest.mark.parametrize(
        "path",
        [
            f"{STATIC}/none.js",
            f"{STATIC}/index.html",
            f"{STATIC}/../{SHELL.version}/pages/app.js",
            "/dashboard/static/another/pages/app.js",
        ],
    )
    def test_what_is_none_of_this_version_is_not_found_and_not_kept(self, guarded: Controller, path: str) -> None:
        answer = ask(guarded, path.replace("..", "%2e%2e"))
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
        assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize("path", [SCRIPT, "/dashboard/"])
    def test_are_zipped_for_who_takes_that(self, guarded: Controller, path: str) -> None:
        whole = ask(guarded, path)
        assert (whole.headers["vary"], "content-encoding" in whole.headers) == ("accept-encoding", False)
        for taking in ("gzip", "br, GZIP; q=0.5", "gzip;q=1.0"):
            zipped = ask(guarded, path, accept_encoding=taking)
            assert (zipped.headers["content-encoding"], zipped.headers["vary"]) == ("gzip", "accept-encoding")
            assert zipped.content == whole.content
        for refusing in ("", "br", "gzip;q=0", "gzip; q=0.000", "xgzip"):
            assert "content-encoding" not in ask(guarded, path, accept_encoding=refusing).headers, refusing

    @pytest.mark.parametrize("path", [SCRIPT, "/dashboard/"])
    def test_their_heads_say_the_same(self, guarded: Controller, path: str) -> None:
        whole, head = ask(guarded, path), ask(guarded, path, "HEAD")
        assert head.status_code == 200
        assert head.headers == whole.headers


def test_while_the_storage_is_away_the_page_is_there_to_say_so(guarded: Controller) -> None:
    access, refused = guarded.parts.access, counted(guarded.meters)
    why = "the disk is full"
    guarded.app = waiting_app(lambda: why, guarded.exposition, guarded.ledgers, access, refused, SHELL)
    assert ask(guarded, "/dashboard/rollout").content == SHELL.page.content
    assert ask(guarded, SCRIPT).content == b"alert(1)"
    answer = guarded.call("POST", "/api/v1/session", json={"token": "s3cret"})
    assert (answer.status_code, "the disk is full" in answer.json()["detail"]) == (503, True)
    assert ask(guarded, "/api/v1/session").status_code == 401
    assert 'tipstaff_sign_in_failures_total{reason="no_token"} 1.0' in guarded.call("GET", "/metrics").text
