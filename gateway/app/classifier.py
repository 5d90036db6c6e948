"""Picks the constitution and the classifiers that the configuration names."""

from pathlib import Path

from classifiers.constitution import Constitution, default, load
from classifiers.problem import Refused
from classifiers.rules import RulesClassifier
from gateway.ports import Classifier
from gateway.settings import ConfigError, Settings


def load_constitution(path: Path | None) -> Constitution:
    """The one at `path`; None: the default that ships. Raises ConfigError."""
    try:
        return default() if path is None else load(path)
    except Refused as error:
        raise ConfigError([str(problem) for problem in error.problems]) from error


def classifier_for(constitution: Constitution) -> Classifier:
    """What reads exchanges against it."""
    return RulesClassifier(constitution)


def make_classifier(settings: Settings) -> tuple[Constitution, Classifier]:
    """The constitution and what reads exchanges against it. Raises ConfigError."""
    constitution = load_constitution(settings.constitution)
    return constitution, classifier_for(constitution)
