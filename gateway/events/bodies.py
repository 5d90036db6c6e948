"""A recorded body, as whoever decodes it takes it."""

from gateway.core.dialects import Body
from gateway.events.schema import Payload


def body(payload: Payload) -> Body:
    """What was kept of it; empty where nothing was."""
    return Body(payload.kept or b"", payload.content_type, payload.content_encoding, payload.truncated)
