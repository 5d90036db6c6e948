"""No spelling of a route that operates the engine gets through, and what gets through is sent as it was allowed."""

from contextlib import suppress
from string import ascii_letters, digits
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import GatewayError
from gateway.core.paths import resolve, templates
from tests.unit.core.test_paths import OPERATE_THE_ENGINE

METHODS = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
ID_CHARACTERS = frozenset(ascii_letters + digits + "_.:-")
JUNK = st.lists(
    st.sampled_from(["/", "//", "/./", "/../", "..", "%2e", "%2f", "%2F", "%00", ";", "\\", "v1", "responses", "x"])
).map("".join)


def spelled(path: str, choices: list[int]) -> str:
    """`path` with some characters percent-encoded or in the other case."""
    variants = (str, str.upper, str.lower, str.swapcase, lambda char: f"%{ord(char):02x}")
    return "".join(variants[choices[at % len(choices)] % 5](char) for at, char in enumerate(path))


def passes(method: str, target: str) -> str | None:
    """The path that is forwarded, if any is."""
    with suppress(GatewayError):
        resolved = resolve(method, target)
        return None if resolved.serves.local else resolved.path
    return None


@given(METHODS, JUNK, st.sampled_from(OPERATE_THE_ENGINE), st.lists(st.integers(0, 4), min_size=1), JUNK)
def test_nothing_that_leads_to_the_engine_is_forwarded(
    method: str, before: str, path: str, choices: list[int], after: str
) -> None:
    sent = passes(method, f"/{before}{spelled(path, choices)}{after}".replace("//", "/", choices[0] % 2))
    if sent is not None:
        assert sent.startswith("/v1/responses/")
        assert ".." not in sent.split("/")
        assert set(sent.removeprefix("/v1/responses/").removesuffix("/cancel")) <= ID_CHARACTERS


@given(METHODS, st.text(max_size=60))
def test_what_is_forwarded_has_one_reading(method: str, target: str) -> None:
    sent = passes(method, "/" + target)
    if sent is not None:
        assert unquote(sent) == sent
        assert "//" not in sent
        assert not {".", ".."} & set(sent.split("/"))


@given(st.sampled_from([path for path in templates() if "{" not in path]), st.integers(0, 40), st.characters())
def test_one_character_more_is_another_path(path: str, at: int, char: str) -> None:
    sent = passes("POST", path[:at] + char + path[at:])
    assert sent is None or char == "?" or sent in templates() or sent.startswith("/v1/responses/")
