"""A network that is asked twice of the same texts computes once."""

from collections.abc import Sequence

import numpy as np
import pytest
from tokenizers import Tokenizer

from classifiers.constitution import default
from classifiers.encoder.encoding import Encoded, Encoding
from classifiers.encoder.model import DEFAULT, Array
from classifiers.encoder.reader import EncoderReader
from classifiers.encoder.recalling import Recalling
from tests.unit.classifiers.writing import exchange


class Counting:
    """Says how often it was asked, in place of probabilities."""

    heads: tuple[str, ...] = ("unsafe", "refusal")
    window = 128
    version = "1"

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self.asked = 0

    def probabilities(self, texts: Sequence[Encoded]) -> Array:
        self.asked += 1
        return np.full((len(texts), 2), self.asked / 10, dtype=np.float32)

    def clear(self, head: str) -> float:
        return 0.25 if head == "unsafe" else 0.5


@pytest.fixture
def network() -> Counting:
    return Counting(Encoding(Tokenizer.from_file(str(DEFAULT / "tokenizer.json"))))


def test_two_readers_in_turn_cost_one_look(network: Counting) -> None:
    recalling = Recalling(network)
    readers = [EncoderReader(default(), recalling) for _ in range(2)]
    first, other = [exchange("What is this?", "A cat.")], [exchange("And that?", "A dog.")]
    assert readers[0].read(first) == readers[1].read(first)
    assert network.asked == 1
    assert readers[0].read(other) == readers[1].read(other) != readers[0].read(first)
    assert network.asked == 3, "only the last texts are recalled"


def test_all_else_is_the_networks(network: Counting) -> None:
    recalling = Recalling(network)
    assert (recalling.heads, recalling.window, recalling.version) == (network.heads, 128, "1")
    assert recalling.clear("unsafe") == 0.25
    assert recalling.probabilities([]).shape == (0, 2)
