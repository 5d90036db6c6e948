"""Reads exchanges against a constitution: `classify(exchanges) -> verdicts`. Knows nothing of the gateway."""
