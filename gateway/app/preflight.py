"""What would stop a process from starting, found before any is started: the configuration's files and plans."""

import ssl
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gateway.app import shared_state
from gateway.controller.notify import receiver
from gateway.keys import kafka_password, load_client_keys, load_tokens, load_unit_key, read_secret
from gateway.proxy.tls import ServerTls, client_context
from gateway.rollout.plan import PlanError, parse
from gateway.settings import ConfigError, KafkaTls, Settings


def problems(settings: Settings) -> list[str]:
    """A line for each key file, certificate or token that cannot be used."""
    return [line for check in _checks(settings) for line in _failures(check)]


def refuse_problems(settings: Settings) -> None:
    """Raises ConfigError with all of `problems`, if there are any."""
    if found := problems(settings):
        raise ConfigError(found)


def _failures(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except ConfigError as error:
        return error.problems
    return []


def _checks(settings: Settings) -> Iterator[Callable[[], object]]:
    yield lambda: load_tokens(settings)
    yield lambda: load_client_keys(settings)
    unit_key, tls = settings.unit_key_file, settings.tls
    if unit_key is not None:
        yield lambda: load_unit_key(unit_key)
    for old in settings.old_unit_key_files:
        yield partial(load_unit_key, old, "old_unit_key_files")
    if tls is not None:
        yield lambda: ServerTls(tls)
    yield from _others(settings)
    for number, each in enumerate(settings.notify):
        yield partial(receiver, number, each)
    for name, model in settings.models.items():
        for arm_name, arm in model.arms.items():
            yield from _secret(f"models.{name}.arms.{arm_name}.api_key_file", arm.api_key_file)
            if arm.ca is not None:
                yield partial(client_context, arm)
        if model.rollout is not None:
            yield partial(_plan, name, model.rollout.plan)


def _others(settings: Settings) -> Iterator[Callable[[], object]]:
    control, state, kafka = settings.control, settings.state, settings.events.kafka
    if control is not None:
        yield partial(read_secret, "control.token_file", control.token_file)
        yield partial(_authorities, "control.ca", control.ca)
    if state is not None:
        yield partial(shared_state.check, state)
    if kafka is not None:
        yield partial(kafka_password, kafka)
        yield partial(_kafka_tls, kafka.tls or KafkaTls())


def _kafka_tls(tls: KafkaTls) -> None:
    context = ssl.create_default_context()
    try:
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key)
    except OSError as error:
        raise ConfigError([f"events.kafka.tls: {error}: expected PEM files"]) from error


def _authorities(key: str, path: Path | None) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        raise ConfigError([f"{key}: {path}: {error}: expected a PEM file"]) from error


def _plan(model: str, given: object) -> None:
    try:
        parse(given)
    except PlanError as error:
        raise ConfigError([f"models.{model}.rollout.{error}"]) from error


def _secret(key: str, path: Path | None) -> Iterator[Callable[[], object]]:
    if path is not None:
        yield lambda: read_secret(key, path)
