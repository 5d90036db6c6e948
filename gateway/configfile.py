"""Reads the configuration: one YAML file, environment variables over it, validated whole or refused.

`TIPSTAFF__LISTEN=0.0.0.0:80` sets `listen`; two underscores go one level down
(`TIPSTAFF__LIMITS__BODY_BYTES=1MiB`). Secrets are files or environment variables, never values in the YAML.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import ValidationError

from gateway.settings import Arm, ConfigError, Kafka, KafkaTls, NamedKey, NamedToken, Scoring, Settings, Tls

PREFIX = "TIPSTAFF__"
_Named = TypeVar("_Named", NamedToken, NamedKey)


def load(path: Path, environment: dict[str, str] | None = None) -> Settings:
    """Read, override from `environment` (default: the process's), validate, and make paths absolute.

    Relative paths in the file are relative to the file. Raises ConfigError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError([f"{path}: there is no such file; `tipstaff init URL` writes one"]) from error
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text"]) from error
    raw = _yaml(str(path), text)
    if not isinstance(raw, dict):
        found = "nothing" if raw is None else type(raw).__name__
        raise ConfigError([f"{path}: expected keys like `models:`, found {found}"])
    return parse(raw, path.parent, dict(os.environ) if environment is None else environment)


def parse(raw: dict[str, Any], folder: Path, environment: dict[str, str]) -> Settings:
    """Validate `raw` under the overrides in `environment`; relative paths start at `folder`."""
    try:
        settings = Settings.model_validate(_overridden(raw, environment))
    except ValidationError as error:
        raise ConfigError([_line(problem) for problem in error.errors()]) from error
    return _absolute(settings, folder.resolve())


def _overridden(raw: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    merged = dict(raw)
    for name, value in environment.items():
        if not name.startswith(PREFIX):
            continue
        *parents, last = name.removeprefix(PREFIX).split("__")
        level = merged
        for parent in parents:
            key = _key_for(parent, level)
            child = level.get(key)
            level[key] = level = dict(child) if isinstance(child, dict) else {}
        level[_key_for(last, level)] = _yaml(f"environment variable {name}", value)
    return merged


def _yaml(where: str, text: str) -> Any:  # noqa: ANN401 - whatever stands there; validated next
    try:
        return yaml.load(text, _Loader)  # noqa: S506, TID251 - a SafeLoader that also refuses repeated keys
    except yaml.YAMLError as error:
        raise ConfigError([f"{where}: not YAML: {' '.join(str(error).split())}"]) from error


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, where the last would win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _key_for(spelled: str, level: dict[str, Any]) -> str:
    """The key of `level` that an environment variable can only spell in capitals, digits and underscores."""
    wanted = spelled.upper()
    return next((key for key in level if re.sub(r"[^A-Z0-9]", "_", str(key).upper()) == wanted), spelled.lower())


def _line(problem: Any) -> str:  # noqa: ANN401 - pydantic's own ErrorDetails
    key = ".".join(str(part) for part in problem["loc"])
    words = str(problem["msg"]).removeprefix("Value error, ")
    if not key:
        return words
    if problem["type"] == "extra_forbidden":
        return f"{key}: no such key; `tipstaff check --keys` lists them all"
    if problem["type"] == "missing":
        return f"{key}: missing, and it has no default"
    given = problem["input"]
    shown = "" if isinstance(given, dict | list) else f" (given: {given!r})"
    return f"{key}: {words}{shown}"


Put = Callable[[str, Path], Path]
"""A configuration key and the file that it names -> the path to be there instead."""


def named_files(settings: Settings) -> list[tuple[str, Path]]:
    """(configuration key, file) of everything that is read as a whole: but the data port's certificate, which is
    looked at again and again, and folders.
    """
    found: list[tuple[str, Path]] = []

    def note(key: str, path: Path) -> Path:
        found.append((key, path))
        return path

    _with_paths(settings, note)
    return found


def with_files(settings: Settings, copies: Mapping[Path, Path]) -> Settings:
    """The same, reading from `copies` of the files that it names."""
    return _with_paths(settings, lambda _, path: copies[path])


def _with_paths(settings: Settings, put: Put) -> Settings:
    def each(key: str, path: Path | None) -> Path | None:
        return None if path is None else put(key, path)

    def arm(model: str, name: str, its: Arm) -> Arm:
        where = f"models.{model}.arms.{name}"
        key, ca = each(f"{where}.api_key_file", its.api_key_file), each(f"{where}.ca", its.ca)
        return its.model_copy(update={"api_key_file": key, "ca": ca})

    def named(key: str, those: tuple[_Named, ...]) -> tuple[_Named, ...]:
        return tuple(
            one.model_copy(update={"file": put(f"{key}.{number}.file", one.file)})
            for number, one in enumerate(those)
        )

    models = {
        model: its.model_copy(update={"arms": {name: arm(model, name, one) for name, one in its.arms.items()}})
        for model, its in settings.models.items()
    }
    old = (put(f"old_unit_key_files.{number}", path) for number, path in enumerate(settings.old_unit_key_files))
    notify = (
        one.model_copy(update={"url_file": put(f"notify.{number}.url_file", one.url_file)})
        for number, one in enumerate(settings.notify)
    )
    kafka = settings.events.kafka and _kafka(settings.events.kafka, each, put)
    control = settings.control and settings.control.model_copy(
        update={
            "token_file": put("control.token_file", settings.control.token_file),
            "ca": each("control.ca", settings.control.ca),
        }
    )
    state = settings.state and settings.state.model_copy(
        update={"password_file": each("state.password_file", settings.state.password_file)}
    )
    return settings.model_copy(
        update={
            "control": control,
            "state": state,
            "models": models,
            "events": settings.events.model_copy(update={"kafka": kafka}),
            "notify": tuple(notify),
            "admin_tokens": named("admin_tokens", settings.admin_tokens),
            "client_keys": named("client_keys", settings.client_keys),
            "constitution": each("constitution", settings.constitution),
            "admin_token_file": each("admin_token_file", settings.admin_token_file),
            "unit_key_file": each("unit_key_file", settings.unit_key_file),
            "old_unit_key_files": tuple(old),
        }
    )


def _kafka(kafka: Kafka, each: Callable[[str, Path | None], Path | None], put: Put) -> Kafka:
    tls, sasl, where = kafka.tls, kafka.sasl, "events.kafka"
    return kafka.model_copy(
        update={
            "tls": tls
            and KafkaTls(
                ca=each(f"{where}.tls.ca", tls.ca),
                cert=each(f"{where}.tls.cert", tls.cert),
                key=each(f"{where}.tls.key", tls.key),
            ),
            "sasl": sasl
            and sasl.model_copy(update={"password_file": put(f"{where}.sasl.password_file", sasl.password_file)}),
        }
    )


def _absolute(settings: Settings, folder: Path) -> Settings:
    settings = _with_paths(settings, lambda _, path: folder / path.expanduser())
    tls = settings.tls and Tls(cert=folder / settings.tls.cert, key=folder / settings.tls.key)
    return settings.model_copy(
        update={
            "tls": tls,
            "data": folder / settings.data.expanduser(),
            "scoring": settings.scoring.model_copy(update={"encoder": _encoder(settings.scoring, folder)}),
        }
    )


def _encoder(scoring: Scoring, folder: Path) -> Literal["default", "none"] | Path:
    return folder / scoring.encoder.expanduser() if isinstance(scoring.encoder, Path) else scoring.encoder
