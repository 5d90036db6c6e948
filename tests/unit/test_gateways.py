"""Who is gathered changes between rollouts: nobody new in the middle of one, and anybody may go."""

from pathlib import Path

import pytest

from gateway.app.gateways import refuse_left_over, take_in
from gateway.configfile import parse
from gateway.controller.sqlite_state import SqliteStateStore
from gateway.layout import DataFolder
from gateway.settings import ConfigError, Settings
from tests.contract.state_store_rollouts import save, step

MODELS = {"assistant": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:1"]}}}}
SHARED = {"state": {"url": "postgresql://db/tipstaff"}}
FOLLOWED = {"control": {"url": "http://127.0.0.1:1", "token_file": "t"}}


def elsewhere(**more: object) -> Settings:
    return parse({"models": MODELS, "unit_key_file": "k", **more}, Path("/"), {})


def settings(*names: str) -> Settings:
    kafka = {"bootstrap": "k:9092"}
    events = {"source": "lead", "kafka": kafka, "gather": list(names)}
    return parse({"models": MODELS, "events": events}, Path("/"), {})


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


def test_a_rollout_that_nobody_would_go_on_with_is_finished_first(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    for more in ({}, SHARED, FOLLOWED):
        refuse_left_over(elsewhere(**more), data)
    store = SqliteStateStore.open(data.state, "a-store")
    save(store, step("r1"))
    refuse_left_over(elsewhere(), data)
    for more, key in ((SHARED, "state"), (FOLLOWED, "control")):
        with pytest.raises(ConfigError, match=rf"^{key}: a rollout of model-of-r1 is under way"):
            refuse_left_over(elsewhere(**more), data)
    save(store, step("r1", ended=True))
    store.close()
    for more in (SHARED, FOLLOWED):
        refuse_left_over(elsewhere(**more), data)
