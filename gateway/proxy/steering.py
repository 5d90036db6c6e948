"""Where a request goes: who its unit is, which arm that unit was assigned, and which arm serves it."""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from gateway.core import errors
from gateway.core.assignment import UnitKind, assign, bucket, unit_hash
from gateway.core.envelope import Envelope
from gateway.core.exchange import Route
from gateway.core.first_turn import first_turn
from gateway.core.routing import RoutingTable
from gateway.events.schema import Assignment
from gateway.proxy.arms import Arms
from gateway.proxy.endpoints import ArmEndpoints, Endpoint
from gateway.proxy.forcing import FORCE_ARM, Forcing
from gateway.proxy.instruments import NO_UNIT
from gateway.proxy.pins import Pins
from gateway.proxy.table import TableWatch
from gateway.settings import Model

_REMEMBERED_UNITS = 4096
_REMEMBERED_BYTES = 256


class Course(msgspec.Struct):
    """A request's way. `arm` serves it; `assignment.assigned` is the arm that its unit belongs to.

    `endpoint`: the only one that can serve, for what is pinned; None: any of the arm. `affinity`: see `pick`.
    """

    assignment: Assignment
    arm: ArmEndpoints
    endpoint: Endpoint | None
    affinity: bytes | None


class Asked(msgspec.Struct):
    """What steering looks at. `fields`: the request's headers in lower case; `envelope`: None without a body."""

    exchange_id: str
    model: str
    route: Route
    fields: dict[bytes, bytes]
    body: bytes
    envelope: Envelope | None
    response_id: str = ""


class Steering:
    """Decides courses. `unit_key` hides who a unit is; `forcing`: who may choose an arm."""

    def __init__(
        self,
        models: Mapping[str, Model],
        arms: Arms,
        table: TableWatch,
        pins: Pins,
        unit_key: bytes,
        forcing: Forcing,
    ) -> None:
        self._arms = arms
        self._table = table
        self._pins = pins
        self._key = unit_key
        self._forcing = forcing
        self._assigning: RoutingTable | None = None
        self._assignments: dict[tuple[str, str, bytes], Assignment] = {}
        """By (model, source, value): what `_assigning` says of units that were seen."""
        self.models = tuple(models)
        """The models there are, in the configuration's order."""
        self._sources = {name: [_source(text) for text in model.unit] for name, model in models.items()}
        self._names = {name: tuple(model.arms) for name, model in models.items()}

    def pinned_model(self, response_id: str) -> str:
        """The model that made a response. Raises GatewayError (404)."""
        pin = self._pins.get(response_id)
        if pin is None:
            raise errors.unknown_response(response_id)
        return pin.model

    def course(self, asked: Asked) -> Course:
        """The course of a request for a configured model. Raises GatewayError."""
        assignment = self._assignment(asked.model, *self._unit(asked))
        who = self._forcing.operator(asked.fields) if FORCE_ARM in asked.fields else None
        forced = self._forced(asked) if who is not None else ""
        arm = self._arms[asked.model, forced or assignment.assigned]
        endpoint = None
        if asked.response_id:
            arm, endpoint = self._pinned(asked.model, asked.response_id)
        if who is not None:
            self._forcing.note(who, asked.exchange_id, arm.arm)
        if forced or arm.arm != assignment.assigned:
            assignment = msgspec.structs.replace(assignment, served=arm.arm, forced=bool(forced))
        affinity = _affinity(asked, assignment) if len(arm.endpoints) > 1 else None
        return Course(assignment, arm, endpoint, affinity)

    def fail_over(self, course: Course) -> ArmEndpoints | None:
        """The arm that serves when the course's arm cannot; None: no other may (what is pinned or forced stays)."""
        name = course.arm.fail_over
        if not name or course.endpoint is not None or course.assignment.forced:
            return None
        return self._arms[course.arm.model, name]

    def _assignment(self, model: str, kind: UnitKind, source: str, value: bytes) -> Assignment:
        """Where the table puts a unit. Remembered for units that come back, until there is another table."""
        table = self._table.table
        if table is not self._assigning:
            self._assigning = table
            self._assignments.clear()
        key = (model, source, value)
        known = self._assignments.get(key)
        if known is not None:
            return known
        made = _assigned(table, model, kind, source, unit_hash(self._key, kind, value))
        if kind != "request" and len(value) <= _REMEMBERED_BYTES:
            if len(self._assignments) >= _REMEMBERED_UNITS:
                self._assignments.clear()
            self._assignments[key] = made
        return made

    def _unit(self, asked: Asked) -> tuple[UnitKind, str, bytes]:
        for kind, source, header, key in self._sources[asked.model]:
            if header is not None:
                if value := asked.fields.get(header):
                    return kind, source, value
            elif key is not None:
                if asked.envelope is not None and (text := asked.envelope.units.get(key)):
                    return kind, source, text.encode()
            elif material := first_turn(asked.route, asked.body):
                return kind, source, material
        return "request", NO_UNIT, asked.exchange_id.encode()

    def _forced(self, asked: Asked) -> str:
        arm = asked.fields[FORCE_ARM].decode("latin-1")
        if (asked.model, arm) not in self._arms:
            raise errors.unknown_arm(arm, self._names[asked.model])
        return arm

    def _pinned(self, model: str, response_id: str) -> tuple[ArmEndpoints, Endpoint]:
        pin = self._pins.get(response_id)
        if pin is None or pin.model != model or (arm := self._arms.get((pin.model, pin.arm))) is None:
            raise errors.unknown_response(response_id)
        endpoint = arm.find(pin.url)
        if endpoint is None:
            raise errors.unknown_response(response_id)
        return arm, endpoint


def _assigned(table: RoutingTable, model: str, kind: UnitKind, source: str, unit: bytes) -> Assignment:
    route = table.models[model]
    place = bucket(route.salt, unit)
    arm = assign(route, place)
    return Assignment(
        kind,
        source,
        unit,
        place,
        route.weight(arm),
        arm,
        arm,
        table.store_id,
        table.epoch,
        table.version,
    )


def _affinity(asked: Asked, assignment: Assignment) -> bytes | None:
    """What keeps a conversation on its endpoint, where there is a choice."""
    if assignment.unit_kind == "conversation":
        return assignment.unit_hash
    material = first_turn(asked.route, asked.body)
    return None if material is None else blake2b(material, digest_size=16).digest()


def _source(text: str) -> tuple[UnitKind, str, bytes | None, str | None]:
    """(kind, as written, header name, body key); neither name: the conversation's first turn."""
    where, _, name = text.partition(":")
    if where == "conversation":
        return "conversation", text, None, None
    kind: UnitKind = "conversation" if "session" in name or "conversation" in name else "user"
    return (kind, text, name.encode(), None) if where == "header" else (kind, text, None, name)
