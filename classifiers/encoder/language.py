"""Which texts the encoder understands: it was trained on English."""

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

_ENGLISH = 0.003
"""Below this probability of English a text is in another language. Of 6,400 English training texts 0.3 % lie below;
of short texts in other Latin letters many lie above, and are read as English.
"""
_ENOUGH = 1000
"""Characters that are looked at."""


def understood(text: str) -> bool:
    """False for a text that is surely in another language than English."""
    ranked = dict(_identifier().rank(text[:_ENOUGH]))
    return not text or float(ranked["en"]) >= _ENGLISH


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
