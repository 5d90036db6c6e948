"""Immutable records in streams: their schema, the log that keeps them, the ledger that counts them."""
