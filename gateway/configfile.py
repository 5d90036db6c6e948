"""Reads the configuration: one YAML file, environment variables over it, validated whole or refused.

`TIPSTAFF__LISTEN=0.0.0.0:80` sets `listen`; two underscores go one level down
(`TIPSTAFF__LIMITS__BODY_BYTES=1MiB`). Secrets are files or environment variables, never values in the YAML.
"""

import os
import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from gateway.settings import ConfigError, Scoring, Settings, Tls

PREFIX = "TIPSTAFF__"


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


def _absolute(settings: Settings, folder: Path) -> Settings:
    def under(path: Path | None) -> Path | None:
        return None if path is None else folder / path.expanduser()

    models = {
        name: model.model_copy(
            update={
                "arms": {
                    arm_name: arm.model_copy(update={"api_key_file": under(arm.api_key_file), "ca": under(arm.ca)})
                    for arm_name, arm in model.arms.items()
                }
            }
        )
        for name, model in settings.models.items()
    }
    tokens = tuple(
        each.model_copy(update={"file": folder / each.file.expanduser()}) for each in settings.admin_tokens
    )
    keys = tuple(each.model_copy(update={"file": folder / each.file.expanduser()}) for each in settings.client_keys)
    notify = tuple(
        each.model_copy(update={"url_file": folder / each.url_file.expanduser()}) for each in settings.notify
    )
    tls = settings.tls and Tls(cert=folder / settings.tls.cert, key=folder / settings.tls.key)
    return settings.model_copy(
        update={
            "models": models,
            "tls": tls,
            "notify": notify,
            "admin_tokens": tokens,
            "client_keys": keys,
            "data": folder / settings.data.expanduser(),
            "constitution": under(settings.constitution),
            "scoring": settings.scoring.model_copy(update={"encoder": _encoder(settings.scoring, folder)}),
            "admin_token_file": under(settings.admin_token_file),
            "unit_key_file": under(settings.unit_key_file),
            "old_unit_key_files": tuple(folder / path.expanduser() for path in settings.old_unit_key_files),
        }
    )


def _encoder(scoring: Scoring, folder: Path) -> Literal["default", "none"] | Path:
    return folder / scoring.encoder.expanduser() if isinstance(scoring.encoder, Path) else scoring.encoder
