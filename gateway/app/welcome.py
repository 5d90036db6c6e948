"""What `tipstaff serve` says to the person who started it."""

import json
import shlex
from collections.abc import Iterator

from gateway import __version__
from gateway.core.routing import RoutingTable
from gateway.settings import Settings


def banner(settings: Settings, data_port: str, admin_port: str, table: RoutingTable | None) -> Iterator[str]:
    """Addresses, arms with their weights in force, and a request to try. Addresses are `host:port`."""
    scheme = "https" if settings.tls else "http"
    yield f"tipstaff {__version__}"
    yield f"  clients  {scheme}://{data_port}/v1"
    yield f"  page     http://{admin_port}/dashboard/"
    yield f"  admin    http://{admin_port}/api/v1/status   /metrics   /docs"
    yield f"  data     {settings.data}"
    if (kafka := settings.events.kafka) is not None:
        topics = ", ".join(kafka.prefix + stream for stream in kafka.streams)
        yield f"  events   Kafka {', '.join(kafka.bootstrap)}  {topics}"
    if settings.events.scorers is not None:
        yield "  scored   over Kafka, by tipstaff scorer --from kafka: texts of exchanges leave this machine"
    if settings.events.gather:
        yield f"  gathers  {', '.join(settings.events.gather)}"
    if settings.control is not None:
        yield f"  follows  {settings.control.url}"
    if settings.state is not None:
        yield f"  state    {settings.state.url}, shared: one gateway leads, the others stand by"
    for name, model in settings.models.items():
        route = table.models.get(name) if table else None
        yield f"  model    {name}"
        for arm_name, arm in model.arms.items():
            weight = f"{route.weight(arm_name) * 100:g} %" if route else "? %"
            why = (
                f"  ({route.reason})"
                if route and route.decided_by == "safety" and arm_name != model.baseline
                else ""
            )
            yield f"    {arm_name:<10} {weight:>6}  {' '.join(arm.endpoints)}{why}"
    yield "try it:"
    yield f"  {sample(next(iter(settings.models)), scheme, data_port, key=bool(settings.client_keys))}"


def sample(model: str, scheme: str, address: str, *, key: bool = False) -> str:
    """A curl command that a shell takes as it is; `key`: once a client's key stands in $TIPSTAFF_KEY."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 32})
    sent = ' -H "authorization: Bearer $TIPSTAFF_KEY"' if key else ""
    return (
        f"curl {scheme}://{address}/v1/chat/completions -H 'content-type: application/json'"
        f" -H 'x-user-id: me'{sent} -d {shlex.quote(body)}"
    )
