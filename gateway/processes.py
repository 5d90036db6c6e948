"""The names of processes: their files are called by them, and so are they wherever people look."""

from typing import Final

from gateway.settings import Settings

SUPERVISOR: Final = "supervisor"
SCORER: Final = "scorer-0"
CONTROLLER: Final = "controller"
RELAY: Final = "relay"
GATHER: Final = "gather"


def proxy_name(worker: int) -> str:
    """Of a proxy worker."""
    return f"proxy-{worker}"


def configured(settings: Settings) -> frozenset[str]:
    """All that are meant to run under `tipstaff serve`."""
    proxies = map(proxy_name, range(settings.proxy.workers))
    relay = () if settings.events.kafka is None else (RELAY,)
    gather = (GATHER,) if settings.events.gather else ()
    return frozenset((SUPERVISOR, SCORER, CONTROLLER, *relay, *gather, *proxies))
