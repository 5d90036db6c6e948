"""The dialects of HTTP that language models speak: finished exchanges decoded into turns and answers."""

from gateway.core.dialects.decoder import decode
from gateway.core.dialects.values import Answer, Body, Decoded, DecodeError, Turn, Usage

__all__ = ["Answer", "Body", "DecodeError", "Decoded", "Turn", "Usage", "decode"]
