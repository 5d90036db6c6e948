"""Tables of the index of exchanges, and how a verdict becomes rows of them.

Times are canonical, in microseconds since the epoch; severities are ranks (0 low to 3 critical); a refusal is
1, 0, or NULL where it was not evaluated. `arm` is the assigned one: counts go by assignment.
"""

import zlib

import msgspec

from gateway.events.schema import VerdictV1

VERSION = 2
_MINUTES = """
CREATE TABLE minute_tallies (
    model TEXT, minute INTEGER, arm TEXT, principle TEXT, what TEXT, count INTEGER NOT NULL,
    PRIMARY KEY (model, minute, arm, principle, what)
) WITHOUT ROWID
"""
SCHEMA = f"""
CREATE TABLE exchanges (
    id TEXT PRIMARY KEY, time_us INTEGER NOT NULL, model TEXT NOT NULL, arm TEXT NOT NULL, served TEXT NOT NULL,
    route TEXT NOT NULL, status INTEGER NOT NULL, reason TEXT NOT NULL, streamed INTEGER NOT NULL,
    forced INTEGER NOT NULL, unit_kind TEXT NOT NULL, unit TEXT NOT NULL, severity INTEGER, deciding TEXT,
    violated TEXT NOT NULL, provoked TEXT NOT NULL, refusal INTEGER, over_refusal INTEGER, not_evaluated TEXT,
    first_byte REAL, total REAL NOT NULL, request_bytes INTEGER NOT NULL, response_bytes INTEGER NOT NULL,
    verdict BLOB NOT NULL
);
CREATE INDEX by_time ON exchanges (time_us, id);
CREATE INDEX by_model ON exchanges (model, time_us, id);
CREATE INDEX by_arm ON exchanges (arm, time_us, id);
CREATE INDEX by_violation ON exchanges (time_us, id) WHERE severity IS NOT NULL;
CREATE INDEX by_provocation ON exchanges (time_us, id) WHERE provoked != '';
CREATE INDEX by_refusal ON exchanges (time_us, id) WHERE refusal = 1;
CREATE INDEX by_over_refusal ON exchanges (time_us, id) WHERE over_refusal = 1;
CREATE INDEX by_not_evaluated ON exchanges (time_us, id) WHERE not_evaluated IS NOT NULL;
CREATE INDEX by_forced ON exchanges (time_us, id) WHERE forced = 1;
CREATE INDEX by_status ON exchanges (status, time_us, id);
CREATE TABLE principles (
    principle TEXT NOT NULL, finding TEXT NOT NULL, time_us INTEGER NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (principle, finding, time_us, id)
) WITHOUT ROWID;
CREATE INDEX principles_by_time ON principles (time_us);
CREATE TABLE arm_tallies (
    model TEXT, arm TEXT, hour INTEGER, what TEXT, count INTEGER NOT NULL, PRIMARY KEY (model, arm, hour, what)
) WITHOUT ROWID;
CREATE TABLE principle_tallies (
    model TEXT, arm TEXT, hour INTEGER, principle TEXT, what TEXT, count INTEGER NOT NULL,
    PRIMARY KEY (model, arm, hour, principle, what)
) WITHOUT ROWID;
CREATE TABLE units (
    model TEXT, arm TEXT, unit BLOB, hour INTEGER NOT NULL, PRIMARY KEY (model, arm, unit)
) WITHOUT ROWID;
CREATE TABLE positions (producer TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
{_MINUTES}
"""
MIGRATIONS = {1: _MINUTES}
"""Minutes are counted from then on."""
INSERT_EXCHANGE = f"INSERT OR IGNORE INTO exchanges VALUES ({', '.join('?' * 24)})"  # noqa: S608 - no input
INSERT_PRINCIPLE = "INSERT OR IGNORE INTO principles VALUES (?, ?, ?, ?)"

_encoder = msgspec.msgpack.Encoder()


def exchange_values(event: VerdictV1) -> tuple[object, ...]:
    """The row of `exchanges`, for INSERT_EXCHANGE."""
    verdict, assignment, timing = event.verdict, event.assignment, event.timing
    return (
        event.exchange_id,
        event.time_us,
        event.model,
        assignment.assigned,
        assignment.served,
        event.route.value,
        event.status,
        event.reason.value,
        event.streamed,
        assignment.forced,
        assignment.unit_kind,
        assignment.unit_hash.hex(),
        None if verdict.severity is None else verdict.severity.rank,
        None if verdict.deciding is None else verdict.deciding.principle,
        " ".join(found.principle for found in verdict.violations),
        " ".join(verdict.provocations),
        verdict.refusal,
        verdict.over_refusal,
        None if verdict.not_evaluated is None else verdict.not_evaluated.value,
        timing.first_byte_seconds,
        timing.total_seconds,
        event.request_bytes,
        event.response_bytes,
        kept_verdict(event),
    )


def kept_verdict(event: VerdictV1) -> bytes:
    """What stands in `verdict`."""
    return zlib.compress(_encoder.encode(event), 1)


def principle_values(event: VerdictV1) -> list[tuple[object, ...]]:
    """The rows of `principles`, for INSERT_PRINCIPLE: what was violated and what was provoked."""
    violated = [(found.principle, "violates") for found in event.verdict.violations]
    provoked = [(principle, "provocation") for principle in event.verdict.provocations]
    return [(principle, finding, event.time_us, event.exchange_id) for principle, finding in violated + provoked]


def stored_verdict(blob: bytes) -> VerdictV1:
    """The reverse."""
    return msgspec.msgpack.decode(zlib.decompress(blob), type=VerdictV1)
