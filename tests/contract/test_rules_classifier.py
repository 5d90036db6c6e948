"""The rules classifier passes the contract of classifiers."""

import pytest

from classifiers.rules import RulesClassifier
from tests.contract.classifier import ClassifierContract, MakeClassifier


class TestRulesClassifier(ClassifierContract):
    @pytest.fixture
    def make_classifier(self) -> MakeClassifier:
        return RulesClassifier
