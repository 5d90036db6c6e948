"""What a proxy says of itself, for whoever looks from outside. The controller reads it, never the reverse."""

import msgspec


class EndpointStatus(msgspec.Struct, frozen=True):
    """One endpoint of an arm. `returns_at_us` is when an ejected one is tried again; None: it is not ejected."""

    url: str
    healthy: bool
    in_flight: int
    ejected_for: str = ""
    returns_at_us: int | None = None
    served_models: tuple[str, ...] = ()
    server_version: str = ""


class ArmStatus(msgspec.Struct, frozen=True):
    """One arm of one model, and the name its server knows it by."""

    model: str
    arm: str
    served_name: str
    endpoints: tuple[EndpointStatus, ...]


class ProxyStatus(msgspec.Struct, frozen=True):
    """One proxy worker, written about once a second. `ready` is False before the first table and in a drain."""

    process: str
    written_at_us: int
    ready: bool
    draining: bool
    address: str
    store_id: str
    table_epoch: int
    table_version: int
    arms: tuple[ArmStatus, ...]
    warnings: tuple[str, ...] = ()
