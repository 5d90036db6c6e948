"""Another unit key over a data folder with and without a rollout under way: at a start, and by command."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway import unitkeys
from gateway.cli import app
from gateway.controller.record import models_under_way
from gateway.keys import load_unit_key
from gateway.layout import DataFolder
from gateway.processlock import ProcessLock
from gateway.settings import ConfigError
from tests.integration.controller.test_rollouts import Site
from tests.unit.test_unitkeys import FIRST, SECOND, data, settings, take

__all__ = ["data"]


def test_a_start_with_another_key_waits_for_the_end_of_the_rollout(tmp_path: Path) -> None:
    site = Site(tmp_path)
    found, under_way = site.controller.data, partial(models_under_way, site.controller.data)
    (tmp_path / "key").write_text(FIRST)
    given = settings(tmp_path, unit_key_file="key")
    take(given, found, 7, under_way)
    site.start()
    (tmp_path / "key").write_text(SECOND)
    epoch = site.controller.store.head().epoch
    with pytest.raises(ConfigError, match="a rollout of assistant is under way"):
        take(given, found, 8, under_way)
    assert site.controller.store.head().epoch == epoch
    (tmp_path / "key").write_text(FIRST)
    assert take(given, found, 9, under_way).hex() == FIRST  # the old one put back
    site.rollouts.command("assistant", "rollback", "ann", "another key")
    (tmp_path / "key").write_text(SECOND)
    assert take(given, found, 10, under_way).hex() == SECOND
    site.controller.close()


class TestTheCommand:
    def run(self, folder: Path, **more: Any) -> Any:  # noqa: ANN401 - typer's result
        (folder / "config.yaml").write_text(
            settings(folder, **more).model_dump_json(by_alias=True, exclude_unset=True)
        )
        return CliRunner().invoke(app, ["rotate-unit-key", str(folder / "config.yaml")])

    def test_it_makes_another(self, data: DataFolder, tmp_path: Path) -> None:
        old = unitkeys.current(settings(tmp_path), data)
        done = self.run(tmp_path)
        assert done.exit_code == 0, done.output
        assert f"the old one is {data.unit_key}.1" in done.output
        assert load_unit_key(data.unit_key.with_name("unit.key.1")) == old
        assert unitkeys.current(settings(tmp_path), data) != old
        assert data.unit_key.with_name("unit.key.1").stat().st_mode & 0o777 == 0o600

    def test_not_while_it_runs(self, data: DataFolder, tmp_path: Path) -> None:
        unitkeys.current(settings(tmp_path), data)
        lock = ProcessLock.take(data.lock, "the folder")
        done = self.run(tmp_path)
        lock.close()
        assert (done.exit_code, "in use by process" in done.output) == (4, True)

    def test_not_while_a_rollout_is_under_way(self, tmp_path: Path) -> None:
        site = Site(tmp_path)
        old = unitkeys.current(settings(tmp_path), site.controller.data)
        site.start()
        done = self.run(tmp_path)
        assert (done.exit_code, "a rollout of assistant is under way" in done.output) == (2, True)
        assert unitkeys.current(settings(tmp_path), site.controller.data) == old
        site.traffic.canary = 0.5
        site.run(60)
        assert site.status() == "rolled_back"
        assert self.run(tmp_path).exit_code == 0
        site.controller.close()

    def test_a_key_from_a_file_is_its_owner_s(self, data: DataFolder, tmp_path: Path) -> None:
        (tmp_path / "key").write_text(FIRST)
        done = self.run(tmp_path, unit_key_file="key")
        assert (done.exit_code, "old_unit_key_files" in done.output) == (2, True)
        assert not data.unit_key.exists()

    def test_not_in_a_folder_of_a_newer_format(self, data: DataFolder, tmp_path: Path) -> None:
        old = unitkeys.current(settings(tmp_path), data)
        data.format.write_text("99\n")
        done = self.run(tmp_path)
        assert (done.exit_code, "has format '99'" in done.output) == (4, True)
        assert unitkeys.current(settings(tmp_path), data) == old

    def test_without_a_key_there_is_nothing_to_rotate(self, data: DataFolder, tmp_path: Path) -> None:
        assert data.root.exists()
        assert self.run(tmp_path).exit_code == 2
