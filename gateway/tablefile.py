"""The routing table on disk: written by the controller, read by every proxy of the machine."""

from pathlib import Path

import msgspec

from gateway import atomicfile
from gateway.core.routing import RoutingTable

_decoder = msgspec.json.Decoder(RoutingTable)


class BadTable(Exception):
    """The file is there and holds no routing table; the message says what is wrong with it."""


def read_table(path: Path) -> RoutingTable | None:
    """The table at `path`; None when there is no file. Raises BadTable, and OSError when it cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadTable(f"{path} holds no routing table: {error}") from error


def write_table(path: Path, table: RoutingTable) -> None:
    """Replace the table at `path`, durably: once this returns, a power cut brings back this table or a later one.

    Raises OSError, with the old table still in place.
    """
    atomicfile.replace(path, msgspec.json.encode(table), durable=True)
