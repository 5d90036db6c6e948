"""A network that is asked twice in a row: for two constitutions, of the same texts."""

from collections.abc import Sequence

from classifiers.encoder.encoding import Encoded
from classifiers.encoder.model import Array
from classifiers.encoder.reader import Network


class Recalling:
    """`classifiers.encoder.reader.Network` over another one: of the texts that it was given last it says the same
    again, without reading them. What it says depends on nothing but the texts. Not for two threads at once.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._texts: list[Encoded] = []
        self._said: Array | None = None
        self.heads = network.heads
        self.window = network.window
        self.encoding = network.encoding

    @property
    def version(self) -> str:
        """Of what it says."""
        return self._network.version

    def probabilities(self, texts: Sequence[Encoded]) -> Array:
        """Shape (texts, heads), in [0, 1]; each text of at most `window` tokens."""
        if self._said is None or self._texts != list(texts):
            self._said, self._texts = self._network.probabilities(texts), list(texts)
        return self._said

    def clear(self, head: str) -> float:
        """The probability below which a head clearly says no."""
        return self._network.clear(head)
