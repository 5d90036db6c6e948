"""Which texts the encoder is asked about."""

import pytest

from classifiers.encoder.language import understood


@pytest.mark.parametrize(
    "text",
    [
        "How do I bake bread?",
        "kill -9 $(pgrep python)",
        "lol ok",
        "",
        "2 + 2 = ?",
        "\x00\ufffd\u202e",
        "why u always lyin bro, that test was ez",
    ],
)
def test_english_and_what_is_hardly_a_language(text: str) -> None:
    assert understood(text)


@pytest.mark.parametrize(
    "text",
    [
        "Wie backe ich ein Brot mit Sauerteig, und wie lange muss es im Ofen bleiben?",
        "Comment faire du pain au levain chez moi sans machine ?",
        "\u043a\u0430\u043a \u0438\u0441\u043f\u0435\u0447\u044c \u0445\u043b\u0435\u0431 \u0434\u043e\u043c\u0430",
        "\u3069\u3046\u3084\u3063\u3066\u30d1\u30f3\u3092\u713c\u304d\u307e\u3059\u304b",
    ],
)
def test_another_language(text: str) -> None:
    assert not understood(text)
