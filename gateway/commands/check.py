"""`tipstaff check`: everything that can be known of a configuration without starting it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.configfile import load
from gateway.process import Exit
from gateway.settings import ConfigError, Settings

_MEASURED_FOR = 0.5


class Report(msgspec.Struct, frozen=True):
    """What was found. `scored_per_second`: exchanges of 1 KB that one scorer reads here; None: not measured.

    `follows`: whose word on the weights counts; empty: this gateway's own. `shares`: whether several gateways share
    the state, and one of them leads. `apart`: whether scorers of their own read its exchanges. `traces`: where
    spans go, and the share that is sampled.
    """

    config: str
    problems: list[str]
    models: dict[str, dict[str, float]] = {}
    principles: int = 0
    scored_per_second: float | None = None
    follows: str = ""
    shares: bool = False
    apart: bool = False
    traces: tuple[str, float] | None = None

    @property
    def exit_code(self) -> int:
        """0, or 2 with problems."""
        return Exit.CONFIG if self.problems else Exit.OK

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {**msgspec.structs.asdict(self), "exit_code": int(self.exit_code)}

    def lines(self) -> Iterator[str]:
        """For people; problems are printed apart."""
        if self.problems:
            return
        yield f"{self.config} is fine"
        if self.follows:
            yield f"  units are split as {self.follows} says"
        for name, weights in {} if self.follows else self.models.items():
            split = ", ".join(f"{arm} {weight * 100:g} %" for arm, weight in weights.items())
            yield f"  model {name}: {split}"
        if self.shares:
            yield "  the state is shared: of its gateways one leads, and goes by its own configuration"
        if self.traces is not None:
            where, share = self.traces
            yield f"  spans of {share:.3g} of the exchanges, and of all that violate, go to {where}"
        yield f"  constitution: {self.principles} principles"
        if self.apart:
            yield "  exchanges are read over Kafka, by tipstaff scorer --from kafka"
            return
        yield f"  this machine scores about {self.scored_per_second:,.0f} exchanges of 1 KB a second per scorer"


def check_config(path: Path) -> Report:
    """Validate the file and every file that it names; measure the classifiers."""
    from gateway.app.reload import fit_to_start

    try:
        settings = load(path)
        constitution, classifier = fit_to_start(settings)
    except ConfigError as error:
        return Report(str(path), error.problems)
    models = {
        name: {model.baseline: 1 - sum(model.weights.values()), **model.weights}
        for name, model in settings.models.items()
    }
    follows = settings.control.url if settings.control is not None else ""
    return Report(
        str(path),
        [],
        models,
        len(constitution.principles),
        _rate(classifier),
        follows,
        shares=settings.state is not None,
        apart=settings.events.scorers is not None,
        traces=None if settings.traces is None else (settings.traces.endpoint, settings.traces.sample),
    )


def _rate(classifier: Any) -> float:  # noqa: ANN401 - gateway.ports.Classifier; imported only when it is needed
    from classifiers.exchange import Answer, Exchange, Turn

    sample = Exchange("0" * 32, (Turn("user", "Tell me of the sea. " * 10),), (Answer("It is wide. " * 65),))
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < _MEASURED_FOR:
        classifier.classify([sample] * 16)
        count += 16
    return count / (time.perf_counter() - start)


def key_list() -> Iterator[str]:
    """Every key with its default and what it is for, from the settings' own definition."""
    schema = Settings.model_json_schema()
    yield from _keys(schema, schema["$defs"], "")


def _keys(part: dict[str, Any], definitions: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, spec in part["properties"].items():
        inner, placeholder = _target(spec, definitions)
        key = f"{prefix}{name}{placeholder}"
        if inner is None or "properties" not in inner:
            default = "" if "default" not in spec else f" (default: {spec['default']})"
            yield f"{key}{default}: {spec.get('description', '')}".rstrip(": ")
        else:
            yield from _keys(inner, definitions, f"{key}.")


def _target(spec: dict[str, Any], definitions: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The definition that a key leads into, and `.<name>` or `[]` when it does so through a mapping or a list."""
    choices = [spec, *spec.get("anyOf", [])]
    for choice in choices:
        mapped = choice.get("additionalProperties")
        if isinstance(mapped, dict) and "$ref" in mapped:
            return definitions[mapped["$ref"].rsplit("/", 1)[1]], ".<name>"
        listed = choice.get("items")
        if isinstance(listed, dict) and "$ref" in listed:
            return definitions[listed["$ref"].rsplit("/", 1)[1]], "[]"
        if "$ref" in choice:
            return definitions[choice["$ref"].rsplit("/", 1)[1]], ""
    return None, ""
