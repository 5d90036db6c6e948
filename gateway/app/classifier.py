"""Picks the classifiers that the configuration names."""

from classifiers.constitution import Constitution, default, load
from classifiers.problem import Refused
from classifiers.rules import RulesClassifier
from gateway.ports import Classifier
from gateway.settings import ConfigError, Settings


def make_classifier(settings: Settings) -> tuple[Constitution, Classifier]:
    """The constitution and what reads exchanges against it. Raises ConfigError."""
    try:
        constitution = default() if settings.constitution is None else load(settings.constitution)
    except Refused as error:
        raise ConfigError([str(problem) for problem in error.problems]) from error
    return constitution, RulesClassifier(constitution)
