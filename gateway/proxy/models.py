"""What /v1/models answers: the configured models, as their arms' servers describe them."""

from collections.abc import Iterable, Sequence

import msgspec

from gateway.proxy.arms import Arms
from gateway.proxy.endpoints import ArmEndpoints


class ModelList:
    """Merges over the arms what discovery last heard. Needs no arm to be up: what is not known is left out.

    A model's object is its baseline arm's, under the configured name; `max_model_len` is the least of all arms',
    since a unit may be sent to any. `created`: seconds since the epoch, for a model of which nothing is known.
    """

    def __init__(self, models: Iterable[str], arms: Arms, created: int) -> None:
        self._arms = {
            model: tuple(arm for (its_model, _), arm in arms.items() if its_model == model) for model in models
        }
        self._created = created

    def all(self, models: Iterable[str]) -> bytes:
        """The body of GET /v1/models, for somebody who may know of these."""
        data = [self._object(model) for model in models]
        return msgspec.json.encode({"object": "list", "data": data})

    def one(self, model: str) -> bytes:
        """The body of GET /v1/models/{model}, for a model that there is."""
        return msgspec.json.encode(self._object(model))

    def _object(self, model: str) -> dict[str, object]:
        described = [found for arm in self._arms[model] if (found := _described(arm)) is not None]
        merged: dict[str, object] = {
            "id": model,
            "object": "model",
            "created": self._created,
            "owned_by": "tipstaff",
        }
        if described:
            merged |= described[0] | {"id": model}
        lengths = _lengths(described)
        return merged | {"max_model_len": min(lengths)} if lengths else merged


def _described(arm: ArmEndpoints) -> dict[str, object] | None:
    name = arm.served_name or arm.model
    return next((entry for endpoint in arm.endpoints for entry in endpoint.listing if entry["id"] == name), None)


def _lengths(described: Sequence[dict[str, object]]) -> list[int]:
    values = (entry.get("max_model_len") for entry in described)
    return [value for value in values if isinstance(value, int)]
