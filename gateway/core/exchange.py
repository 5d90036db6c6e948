"""The words for one request and its answer: where it went, how it ended."""

from enum import StrEnum


class Route(StrEnum):
    """What a path asks for. The first four are recorded for scoring, the rest pass."""

    CHAT = "chat_completions"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    MESSAGES = "messages"
    MODELS = "models"
    OTHER = "other"

    @property
    def recorded(self) -> bool:
        """True for the routes whose exchanges are kept and scored."""
        return self in _RECORDED


_RECORDED = frozenset({Route.CHAT, Route.COMPLETIONS, Route.RESPONSES, Route.MESSAGES})


class Reason(StrEnum):
    """How an exchange ended: exactly one of these, whatever happens."""

    COMPLETE = "complete"
    CLIENT_GONE = "client_gone"
    CLIENT_SLOW = "client_slow"
    CLIENT_MALFORMED = "client_malformed"
    REFUSED_BY_GATEWAY = "refused_by_gateway"
    UPSTREAM_REFUSED = "upstream_refused"
    UPSTREAM_RESET = "upstream_reset"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_MALFORMED = "upstream_malformed"
    LIMIT = "limit"
    DRAIN = "drain"

    @property
    def upstream_fault(self) -> bool:
        """True when the arm, not the client and not the gateway, is to blame."""
        return self.value.startswith("upstream_")
