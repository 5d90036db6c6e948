"""Classifiers for one constitution after another, for whoever asks what another one would find.

Hardly anybody does, so what they need is neither imported nor loaded before the first is asked for. The encoder
stays once it is loaded.
"""

from typing import TYPE_CHECKING

from classifiers.cascade import Cascade
from classifiers.constitution import Constitution
from gateway.ports import Classifier
from gateway.settings import Scoring

if TYPE_CHECKING:
    from classifiers.encoder.recalling import Recalling


class Readers:
    """As `scoring` says, but without its limit of time: who asks twice gets the same. Those that it gave share one
    network, which reads the same texts only once when two are given them in turn. Not for two threads at once.
    """

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring
        self._network: Recalling | None = None
        self._loaded = False

    def __call__(self, constitution: Constitution) -> Classifier:
        """What reads exchanges against it: rules, then the encoder. Raises ConfigError."""
        from gateway.app.classifier import reader_for, rules_for

        self._load()
        rules = rules_for(constitution)
        if self._network is None:
            return Cascade(constitution, [rules])
        return Cascade(constitution, [rules, reader_for(constitution, self._network, self._scoring)])

    def _load(self) -> None:
        if self._loaded:
            return
        from classifiers.encoder.recalling import Recalling
        from gateway.app.classifier import network_for

        network = network_for(self._scoring)
        self._network, self._loaded = None if network is None else Recalling(network), True
