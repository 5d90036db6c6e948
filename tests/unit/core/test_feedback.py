import json
from typing import Any

import pytest

from gateway.core.errors import GatewayError
from gateway.core.feedback import KEPT_US, MOST, SKEW_US, Given, read
from gateway.core.ids import exchange_id

NOW_US = 1_800_000_000_000_000
EXCHANGE = exchange_id(NOW_US - 1_000_000, b"12345678")


def said(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"exchange_id": EXCHANGE, "metric": "thumbs", "value": 1, **changes}


def given(content: object, key: str | None = None) -> tuple[Given, ...]:
    return read(json.dumps(content).encode(), key, NOW_US)


def test_one_and_many() -> None:
    assert given(said()) == (Given(EXCHANGE, "thumbs", 1.0),)
    assert given([said(value=0.25, id="a"), said()]) == (
        Given(EXCHANGE, "thumbs", 0.25, "a"),
        Given(EXCHANGE, "thumbs", 1.0),
    )
    assert len(given([said()] * MOST)) == MOST


def test_the_header_names_what_has_no_id_of_its_own() -> None:
    assert given(said(), "k")[0].id == "k"
    assert given(said(id="own"), "k")[0].id == "own"
    assert [one.id for one in given([said(), said(id="own"), said()], "k")] == ["k.0", "own", "k.2"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (said(value=1.01), "value"),
        (said(value=-0.01), "value"),
        (said(value=True), "value"),
        (said(value="1"), "value"),
        (said(metric="Thumbs"), "metric"),
        (said(metric="thumbs\n"), "metric"),
        (said(metric=""), "metric"),
        (said(metric="x" * 65), "metric"),
        (said(exchange_id=EXCHANGE.upper()), "exchange_id"),
        (said(exchange_id=EXCHANGE + "\n"), "exchange_id"),
        (said(exchange_id="0" * 32), "exchange_id"),
        (said(id=""), "id"),
        (said(id="a b"), "id"),
        (said(id="x" * 65), "id"),
        (said(vote=1), "vote"),
        ({"metric": "thumbs", "value": 1}, "exchange_id"),
        ([], "Expected"),
        ([said()] * (MOST + 1), "100"),
        ([said(), said(value=2)], "$[1].value"),
        (None, "Expected"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(content: object, words: str) -> None:
    with pytest.raises(GatewayError, match="exchange_id, metric, value") as caught:
        given(content)
    assert caught.value.status == 400
    assert words in caught.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b'{"exchange_id":"\xff"}'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        read(body, None, NOW_US)
    assert caught.value.code == "invalid_body"


@pytest.mark.parametrize("key", ["", "two words", "x" * 65, "\xe9"])
def test_a_header_that_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(GatewayError) as caught:
        given(said(), key)
    assert caught.value.param == "idempotency-key"


def test_exchanges_of_the_future_and_of_long_ago_are_refused() -> None:
    def at(made_us: int) -> list[dict[str, Any]]:
        return [said(), said(exchange_id=exchange_id(made_us, b"12345678"))]

    assert len(given(at(NOW_US + SKEW_US))) == len(given(at(NOW_US - KEPT_US))) == 2
    for wrong in (NOW_US + SKEW_US + 1000, NOW_US - KEPT_US - 1000):
        with pytest.raises(GatewayError) as caught:
            given(at(wrong))
        assert caught.value.param == "$[1].exchange_id"
