"""Every arm of every model, put together from the configuration."""

import ssl
from collections.abc import Mapping

from gateway.keys import read_secret
from gateway.ports import Clock
from gateway.proxy.endpoints import ArmEndpoints, Chance, Endpoint, Failures
from gateway.proxy.tls import client_context
from gateway.settings import Arm, ConfigError, Model
from gateway.telemetry.metrics import Meters

Arms = Mapping[tuple[str, str], ArmEndpoints]
"""By (model, arm), in the configuration's order: a model's first arm is its baseline."""


def build_arms(models: Mapping[str, Model], meters: Meters, clock: Clock, chance: Chance) -> Arms:
    """The configured arms, with their keys read and their trust set up. Raises ConfigError, with every problem."""
    arms: dict[tuple[str, str], ArmEndpoints] = {}
    problems: list[str] = []
    for model, its in models.items():
        for name, arm in its.arms.items():
            try:
                arms[model, name] = _build(model, name, arm, meters, clock, chance)
            except ConfigError as error:
                problems += [f"models.{model}.arms.{name}.{problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return arms


def _build(model: str, name: str, arm: Arm, meters: Meters, clock: Clock, chance: Chance) -> ArmEndpoints:
    failures = Failures(meters, model, name)
    authorization = _authorization(arm)
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
