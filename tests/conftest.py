"""What every test has: markers by folder, real components or a reason, no process left behind."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from tests.support import processes
from tests.support.components import ComponentUse, in_ci

pytest_plugins = ["tests.support.chart", "tests.support.kafka", "tests.support.postgres", "tests.support.vllm"]

FOLDERS = {
    "unit": "pure or on fake transports; never sleeps",
    "property": "hypothesis: parsers, assignment, statistics, ledger",
    "contract": "every implementation of a port passes the same suite",
    "e2e": "a story that a user would tell, with real servers",
    "integration": "real sockets and processes",
    "browser": "the dashboard in a real browser",
    "benchmarks": "measures instead of asserting",
}
ALONE = {"test_demo", "test_demo_vllm", "test_rehearsal", "test_vllm_itself", "test_vllm_gateway", "test_training"}
"""Modules whose tests have the machine to themselves: real models, and demos that go by the clock."""
PROCESS_FOLDERS = {"contract", "integration", "e2e", "browser", "benchmarks"}
USE = pytest.StashKey[ComponentUse]()


def pytest_configure(config: pytest.Config) -> None:
    for folder, meaning in FOLDERS.items():
        config.addinivalue_line("markers", f"{folder}: {meaning}")
    config.addinivalue_line("markers", "alone: takes all cores or much memory, or goes by the clock")
    config.addinivalue_line("markers", "requires(*names): real components; see tests/support/components.py")
    config.stash[USE] = ComponentUse()
    processes.mark_children()
    settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
    settings.register_profile("dev", max_examples=50, deadline=None)
    settings.load_profile("ci" if in_ci() else "dev")
    # For code that works on whatever users write, where one odd text in a thousand counts.
    settings.register_profile("thorough", max_examples=1500 if in_ci() else 150)


def _folder(item: pytest.Item) -> str:
    parts = item.path.relative_to(Path(__file__).parent).parts
    return parts[0] if parts[0] in FOLDERS else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test by its folder, and runs the quick folders first; the stories before the many small ones with
    servers, so that of two workers none waits long for the other at the end.
    """
    for item in items:
        if _folder(item):
            item.add_marker(_folder(item))
        if item.path.stem in ALONE:
            item.add_marker("alone")
    order = ["", *FOLDERS]
    items.sort(key=lambda item: order.index(_folder(item)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("requires"):
        for name in mark.args:
            item.config.stash[USE].path(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    use = config.stash[USE]
    if use:
        terminalreporter.section("real components")
        for line in use.summary():
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def components(pytestconfig: pytest.Config) -> ComponentUse:
    """`components.path("nginx")`: where it is, or a skip with its reason (a failure in CI)."""
    return pytestconfig.stash[USE]


@pytest.fixture(scope="session")
def lasting_processes() -> set[int]:
    """Pids of session leaders that a fixture shares between tests: it adds them and ends them itself."""
    return set()


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test(request: pytest.FixtureRequest, lasting_processes: set[int]) -> Iterator[None]:
    if _folder(request.node) not in PROCESS_FOLDERS:
        yield
        return
    before = processes.marked()
    yield
    left = processes.end(processes.leaked(before, lasting_processes))
    if left:
        pytest.fail("processes outlived their test and were killed:\n" + "\n".join(left), pytrace=False)


@pytest.fixture(autouse=True)
def _unit_tests_never_sleep(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if _folder(request.node) == "unit":
        monkeypatch.setattr(time, "sleep", _refuse_to_sleep)


def _refuse_to_sleep(seconds: float) -> NoReturn:
    raise AssertionError(f"a unit test slept for {seconds} s: give the code a clock that the test moves")
