"""Picks the constitution and the classifiers that the configuration names."""

from collections.abc import Iterator
from pathlib import Path

from classifiers.cascade import Cascade
from classifiers.constitution import Constitution
from classifiers.encoder.heads import HEADS
from classifiers.encoder.model import DEFAULT, ModelError
from classifiers.encoder.model import load as load_model
from classifiers.encoder.reader import EncoderReader, Network
from classifiers.principle import Principle
from classifiers.rules import RulesReader
from gateway.app.constitution import load_constitution
from gateway.ports import Classifier
from gateway.settings import ConfigError, Scoring, Settings

__all__ = [
    "DEFAULT",
    "EncoderReader",
    "ModelError",
    "classifier_for",
    "encoder_for",
    "make_classifier",
    "network_for",
    "reader_for",
    "rules_for",
]


def encoder_for(constitution: Constitution, scoring: Scoring) -> EncoderReader | None:
    """The encoder that is configured, loaded; None: there is to be none. Raises ConfigError."""
    network = network_for(scoring)
    return None if network is None else reader_for(constitution, network, scoring)


def network_for(scoring: Scoring) -> Network | None:
    """What the encoder reads with, loaded; None: there is to be none. Raises ConfigError."""
    if scoring.encoder == "none":
        if scoring.labels or scoring.pairs:
            raise ConfigError(["scoring.encoder: none, so that scoring.labels and scoring.pairs mean nothing"])
        return None
    folder = DEFAULT if scoring.encoder == "default" else Path(scoring.encoder)
    try:
        return _network(folder, scoring)
    except ModelError as error:
        raise ConfigError([f"scoring.encoder: {error}"]) from error


def reader_for(constitution: Constitution, network: Network, scoring: Scoring) -> EncoderReader:
    """The encoder for this constitution, over a network that is loaded. Raises ConfigError."""
    if unknown := [problem for each in constitution.principles for problem in _unknown_heads(each, network)]:
        raise ConfigError(unknown)
    return EncoderReader(constitution, network, scoring.max_windows)


def _unknown_heads(principle: Principle, network: Network) -> Iterator[str]:
    """Names of heads that neither this model has nor the one that ships: a slip of the pen."""
    for name in principle.heads:
        if name not in HEADS and name not in network.heads:
            known = ", ".join(network.heads)
            yield f"constitution: {principle.id}.heads: no head is called {name!r}; there are {known}"


def _network(folder: Path, scoring: Scoring) -> Network:
    """Ours has a model.json, Hugging Face's a config.json. Raises ModelError."""
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder: give default, none, or the folder of a model")
    if (folder / "model.json").exists() or not (folder / "config.json").exists():
        if scoring.labels or scoring.pairs:
            raise ModelError(
                f"{folder} is no Hugging Face classifier: scoring.labels and scoring.pairs mean nothing"
            )
        return load_model(folder)
    try:
        from classifiers.encoder.sequence import SequenceClassifier
    except ModuleNotFoundError as error:
        raise ModelError(f"{folder} needs {error.name}: pip install 'tipstaff[hf]'") from error
    return SequenceClassifier(folder, scoring.labels, pairs=scoring.pairs)


def rules_for(constitution: Constitution) -> RulesReader:
    """What is certain enough to be told by patterns."""
    return RulesReader(constitution)


def classifier_for(constitution: Constitution, scoring: Scoring | None = None) -> Classifier:
    """What reads exchanges against it: rules, then the encoder. Raises ConfigError."""
    given = scoring or Scoring()
    encoder = encoder_for(constitution, given)
    rules = rules_for(constitution)
    return Cascade(constitution, [rules] if encoder is None else [rules, encoder], budget=given.budget)


def make_classifier(settings: Settings) -> tuple[Constitution, Classifier]:
    """The constitution and what reads exchanges against it. Raises ConfigError."""
    constitution = load_constitution(settings.constitution)
    return constitution, classifier_for(constitution, settings.scoring)
