"""Every operation of the admin API, and every field of feedback, is in the docs."""

import re
from pathlib import Path

import pytest

from gateway.core.feedback import KEPT_US, MOST, Given
from tests.unit.controller.conftest import Controller

DOCS = Path(__file__).parents[3] / "docs"
ELSEWHERE = {"/docs"}
"""Named in the page's opening."""


def nameless(path: str) -> str:
    """A path whose parameters have no names: the page calls some by shorter ones."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_every_operation_is_listed(controller: Controller) -> None:
    page = nameless((DOCS / "api.md").read_text(encoding="utf-8"))
    described = controller.get("/api/v1/openapi.json")["paths"]
    missing = [
        f"{method.upper()} {path}"
        for path, methods in described.items()
        for method in methods
        if path not in ELSEWHERE and f"`{method.upper()} {nameless(path)}`" not in page
    ]
    assert missing == []


@pytest.mark.parametrize("word", [*Given.__struct_fields__])
def test_every_field_of_feedback_is_explained(word: str) -> None:
    assert f"| `{word}` |" in (DOCS / "labels.md").read_text(encoding="utf-8")


def test_the_bounds_that_are_told_are_the_bounds() -> None:
    page = (DOCS / "labels.md").read_text(encoding="utf-8")
    assert f"list of at most {MOST}" in page
    assert f"than {KEPT_US // 86_400_000_000} days" in " ".join(page.split())
