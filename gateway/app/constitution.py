"""The constitution that the configuration names, for whoever needs no classifier: those load a model of 24 MB."""

from pathlib import Path

from classifiers.constitution import Constitution, default, load
from classifiers.problem import Refused
from gateway.settings import ConfigError


def load_constitution(path: Path | None) -> Constitution:
    """The one at `path`; None: the default that ships. Raises ConfigError."""
    try:
        return default() if path is None else load(path)
    except Refused as error:
        raise ConfigError([str(problem) for problem in error.problems]) from error
