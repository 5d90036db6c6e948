"""Who is gathered changes between rollouts: nobody new in the middle of one, and anybody may go."""

from pathlib import Path

import pytest

from gateway.app.gateways import take_in
from gateway.configfile import parse
from gateway.layout import DataFolder
from gateway.settings import ConfigError, Settings


def settings(*names: str) -> Settings:
    kafka = {"bootstrap": "k:9092"}
    events = {"source": "lead", "kafka": kafka, "gather": list(names)}
    models = {"assistant": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:1"]}}}}
    return parse({"models": models, "events": events}, Path("/"), {})


def test_nobody_new_comes_in_the_middle_of_a_rollout(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    running = ["assistant"]
    take_in(settings(), data, lambda: running)
    with pytest.raises(ConfigError, match=r"east is new, and a rollout of assistant is under way"):
        take_in(settings("east"), data, lambda: running)
    take_in(settings("east"), data, list)
    take_in(settings("east"), data, lambda: running)
    with pytest.raises(ConfigError, match="west is new"):
        take_in(settings("east", "west"), data, lambda: running)
    take_in(settings(), data, lambda: running)  # whoever is gone is not waited for
    with pytest.raises(ConfigError, match="east is new"):
        take_in(settings("east"), data, lambda: running)


def test_a_file_that_says_nothing_is_as_none(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    take_in(settings("east"), data, list)
    data.gathered.write_text("{")
    take_in(settings("east"), data, list)
    assert data.gathered.read_text() == '["east"]'
