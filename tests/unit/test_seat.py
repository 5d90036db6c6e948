"""What a start is refused for where somebody else is to decide."""

from pathlib import Path

import pytest

from gateway.app.gateways import refuse_left_over
from gateway.configfile import parse
from gateway.controller.sqlite_state import SqliteStateStore
from gateway.layout import DataFolder
from gateway.settings import ConfigError, Settings
from tests.contract.state_store_rollouts import save, step

MODELS = {"assistant": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:1"]}}}}
SHARED = {"state": {"url": "postgresql://db/tipstaff"}}
FOLLOWED = {"control": {"url": "http://127.0.0.1:1", "token_file": "t"}}


def settings(**more: object) -> Settings:
    return parse({"models": MODELS, "unit_key_file": "k", **more}, Path("/"), {})


def test_a_rollout_that_nobody_would_go_on_with_is_finished_first(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    for more in ({}, SHARED, FOLLOWED):
        refuse_left_over(settings(**more), data)
    store = SqliteStateStore.open(data.state, "a-store")
    save(store, step("r1"))
    refuse_left_over(settings(), data)
    for more, key in ((SHARED, "state"), (FOLLOWED, "control")):
        with pytest.raises(ConfigError, match=rf"^{key}: a rollout of model-of-r1 is under way"):
            refuse_left_over(settings(**more), data)
    save(store, step("r1", ended=True))
    store.close()
    for more in (SHARED, FOLLOWED):
        refuse_left_over(settings(**more), data)
