"""Every arm of every model, put together from the configuration."""

import ssl
from collections.abc import Mapping

import msgspec

from gateway.keys import read_secret
from gateway.ports import Clock
from gateway.proxy.endpoints import ArmEndpoints, Chance, Endpoint, Failures
from gateway.proxy.tls import client_context
from gateway.settings import Arm, ConfigError, Model
from gateway.telemetry.metrics import Meters

Arms = Mapping[tuple[str, str], ArmEndpoints]
"""By (model, arm), in the configuration's order: a model's first arm is its baseline."""


class Standing(msgspec.Struct, frozen=True):
    """Arms that there are, and the models that they were made for."""

    models: Mapping[str, Model] = {}
    arms: Arms = {}

    def same(self, model: str, name: str, arm: Arm, authorization: bytes | None) -> ArmEndpoints | None:
        """The arm of that name, if it would be made alike: it knows the health of its endpoints."""
        found = self.arms.get((model, name))
        if found is None or arm.ca is not None or found.endpoints[0].authorization != authorization:
            return None
        return found if _made_of(arm) == _made_of(self.models[model].arms[name]) else None


def _made_of(arm: Arm) -> Arm:
    return arm.model_copy(update={"weight": None, "version": ""})


def build_arms(
    models: Mapping[str, Model],
    meters: Meters,
    clock: Clock,
    chance: Chance,
    standing: Standing = Standing(),  # noqa: B008 - it does not change
) -> Arms:
    """The configured arms, with their keys read and their trust set up. Of those `standing`, the ones that would be
    made alike stay. Raises ConfigError, with every problem.
    """
    arms: dict[tuple[str, str], ArmEndpoints] = {}
    problems: list[str] = []
    for model, its in models.items():
        for name, arm in its.arms.items():
            try:
                authorization = _authorization(arm)
                found = standing.same(model, name, arm, authorization)
                arms[model, name] = found or _build(model, name, arm, authorization, meters, clock, chance)
            except ConfigError as error:
                problems += [f"models.{model}.arms.{name}.{problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return arms


def _build(
    model: str, name: str, arm: Arm, authorization: bytes | None, meters: Meters, clock: Clock, chance: Chance
) -> ArmEndpoints:
    failures = Failures(meters, model, name)
    tls = _tls(arm)
    endpoints = [
        Endpoint(
            url,
            failures=failures,
            clock=clock,
            chance=chance,
            authorization=authorization,
            tls=tls if url.startswith("https:") else None,
        )
        for url in arm.endpoints
    ]
    return ArmEndpoints(model, name, endpoints, clock, configured_name=arm.model, fail_over=arm.fail_over)


def _authorization(arm: Arm) -> bytes | None:
    if arm.api_key_file is None:
        return None
    return b"Bearer " + read_secret("api_key_file", arm.api_key_file).encode()


def _tls(arm: Arm) -> ssl.SSLContext | None:
    return client_context(arm) if any(url.startswith("https:") for url in arm.endpoints) else None
