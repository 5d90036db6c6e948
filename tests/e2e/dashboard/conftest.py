"""A browser, and the demo's run with a canary that was rolled back: played once, looked at by all these tests."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import Visitor, axe, chromium
from tests.support.components import ComponentUse
from tests.support.demorun import DemoRun, demo_run, play, token
from tests.support.stack import Stack

Welcome = Callable[..., Visitor]


@pytest.fixture(scope="package")
def browser(components: ComponentUse, lasting_processes: set[int]) -> Iterator[Browser]:
    """One Chromium; it ends with this package, as other tests in this thread may want a loop."""
    with chromium(components.path("chromium")) as (browser, leaders):
        lasting_processes |= leaders
        yield browser


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a gateway over which the demo was played to its end; nobody writes there any more.

    The workers of pytest-xdist share it.
    """
    folder = tmp_path_factory.getbasetemp()
    if folder.name.startswith("popen-"):
        folder = folder.parent
    with (folder / "played.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "played" / "whole").exists():
            (folder / "played").mkdir()
            play(folder / "played")
            (folder / "played" / "whole").touch()
    return folder / "played"


@pytest.fixture(scope="session")
def finished(
    played: Path, lasting_processes: set[int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoRun]:
    """A gateway over a copy of it, for all tests that change nothing."""
    with demo_run(_copy(played, tmp_path_factory.mktemp("finished"))) as run:
        lasting_processes.add(run.stack.pid())
        yield run


class Visitors:
    """Whoever came in one test."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._here: list[Visitor] = []
        self._all: list[Visitor] = []

    def come(self, stack: Stack, name: str = "", **options: object) -> Visitor:
        """Somebody new; see `welcome`."""
        visitor = Visitor(self._browser, stack.admin_url, **options)
        self._here.append(visitor)
        self._all.append(visitor)
        if name:
            visitor.sign_in(token(name))
        return visitor

    def leave(self) -> None:
        """All go, before a gateway does: what they miss then is no page's fault."""
        while self._here:
            self._here.pop().close()

    def assert_clean(self) -> None:
        """None of them noticed anything bad."""
        for visitor in self._all:
            visitor.assert_clean()


@pytest.fixture
def visitors(browser: Browser) -> Iterator[Visitors]:
    """Nobody yet; at the end none of them may have noticed anything bad."""
    visitors = Visitors(browser)
    yield visitors
    visitors.leave()
    visitors.assert_clean()


@pytest.fixture
def welcome(visitors: Visitors) -> Welcome:
    """`welcome(stack, "ada")`: a visitor of its admin port, signed in as that one; without a name, as nobody.

    Further options are those of Playwright's `new_context`.
    """
    return visitors.come


@pytest.fixture
def own_finished(played: Path, tmp_path: Path, visitors: Visitors) -> Iterator[DemoRun]:
    """A gateway over a copy of it, for one test that changes something."""
    with demo_run(_copy(played, tmp_path / "gateway")) as run:
        yield run
        visitors.leave()


@pytest.fixture
def running(tmp_path: Path, visitors: Visitors) -> Iterator[DemoRun]:
    """A gateway of one's own, nothing asked or started yet: `asking`, `start` and `turn` are the test's to call."""
    with demo_run(tmp_path) as run:
        yield run
        visitors.leave()


def _copy(played: Path, folder: Path) -> Path:
    shutil.copytree(played / "data", folder / "data")
    return folder


@pytest.fixture
def accessible(components: ComponentUse) -> Callable[[Page], None]:
    """Fails, element by element, where axe-core finds something wrong with a page."""
    source = components.path("axe-core")

    def check(page: Page) -> None:
        found = axe(page, source)
        assert not found, "\n".join(found)

    return check
