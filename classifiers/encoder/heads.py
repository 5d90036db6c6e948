"""What the encoder's heads say. Each is one question about a request, or about an answer to it."""

HARMS = (
    "harm.violence",
    "harm.self_harm",
    "harm.sexual",
    "harm.hate",
    "harm.harassment",
    "harm.illegal",
    "harm.cyber",
    "harm.fraud_deception",
    "harm.privacy",
)
STYLES = ("style.preaching", "style.apology", "style.flattery", "style.claims_human", "style.fabrication")
HARMFUL, REFUSAL = "harmful_response", "refusal"
UNSAFE = "unsafe"
"""Something speaks against fulfilling the request, or against the free text, whatever it is."""
ANSWER_PREFIX = "answer."
REQUEST_HEADS = (*HARMS, "jailbreak", UNSAFE)
"""Read in the request, or in any free text, alone."""
ANSWER_HEADS = (*(ANSWER_PREFIX + name for name in HARMS), HARMFUL, REFUSAL, *STYLES)
"""Read in the answer, behind its request."""
HEADS = (*REQUEST_HEADS, *ANSWER_HEADS)


def answer_head(name: str) -> bool:
    """Whether a head, one of these or one that was added, speaks of an answer."""
    return name in ANSWER_HEADS or name.startswith((ANSWER_PREFIX, "style."))
