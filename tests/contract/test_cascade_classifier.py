"""Rules and the encoder that ships, as the scorer runs them."""

import pytest

from gateway.app.classifier import classifier_for
from tests.contract.classifier import ClassifierContract, MakeClassifier


class TestCascade(ClassifierContract):
    @pytest.fixture
    def make_classifier(self) -> MakeClassifier:
        return classifier_for
