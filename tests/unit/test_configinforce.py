"""The configuration in force, in its folder."""

import os
from pathlib import Path

import pytest

from gateway.app.reload import UNREAD_BY_SCORER as UNREAD
from gateway.configfile import load, named_files, with_files
from gateway.configinforce import ConfigInForce, fingerprint
from gateway.datafolder import prepare
from gateway.layout import DataFolder
from gateway.settings import ConfigError, Settings

EVERYTHING = """\
listen: 127.0.0.1:8080
constitution: rules.yaml
models:
  assistant:
    unit: [header:x-user-id]
    arms:
      stable: {endpoints: ["http://127.0.0.1:8001"], api_key_file: key}
      canary: {endpoints: ["http://127.0.0.1:8002"], version: v2}
    rollout: {from: stable, to: canary, plan: {preset: fast, harm: 0.5}}
deadlines: {idle: 5}
limits: {body_bytes: 1MiB}
scoring: {encoder: model}
admin_users: {trusted: [10.1.0.0/16], roles: {ada@example.org: operator}}
admin_tokens: [{name: ada, role: viewer, file: ada.hash}]
tls: {cert: cert.pem, key: key.pem}
"""


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    prepare(folder)
    return folder


def written(tmp_path: Path, rules: str = "version: 1\n", environment: dict[str, str] | None = None) -> Settings:
    (tmp_path / "config.yaml").write_text(EVERYTHING)
    for name in ("key", "ada.hash"):
        (tmp_path / name).write_text(f"what is in {name}")
    (tmp_path / "rules.yaml").write_text(rules)
    return load(tmp_path / "config.yaml", environment or {})


def test_what_was_taken_is_what_is_read(data: DataFolder, tmp_path: Path) -> None:
    settings = written(tmp_path, environment={"TIPSTAFF__DEADLINES__TOTAL": "9", "TIPSTAFF__DATA": "./data"})
    ConfigInForce(data).take(tmp_path / "config.yaml", settings, 7)
    found = ConfigInForce(data).settings()
    assert found.constitution is not None
    assert found.constitution.parent.parent == data.configurations.resolve()
    back = {copy: path for (_, path), (_, copy) in zip(named_files(settings), named_files(found), strict=True)}
    assert with_files(found, back) == settings
    assert (found.deadlines.total, found.data) == (9, settings.data)


def test_the_constitution_is_the_one_that_was_taken(data: DataFolder, tmp_path: Path) -> None:
    in_force = ConfigInForce(data)
    in_force.take(tmp_path / "config.yaml", written(tmp_path, "version: 1 # first\n"), 7)
    settings = written(tmp_path, "version: 1 # second\n")
    kept = in_force.settings().constitution
    assert kept is not None
    assert kept.read_text() == "version: 1 # first\n"
    in_force.take(tmp_path / "config.yaml", settings, 8)
    kept = in_force.settings().constitution
    assert kept is not None
    assert kept.read_text() == "version: 1 # second\n"
    assert list(data.configurations.glob("files-*")) == [kept.parent]


def test_keys_and_tokens_are_those_that_were_taken(data: DataFolder, tmp_path: Path) -> None:
    ConfigInForce(data).take(tmp_path / "config.yaml", written(tmp_path), 7)
    (tmp_path / "key").unlink()
    (tmp_path / "ada.hash").write_text("another")
    found = dict(named_files(ConfigInForce(data).settings()))
    copied = {name: path.read_text() for name, path in found.items() if name != "constitution"}
    assert copied == {
        "models.assistant.arms.stable.api_key_file": "what is in key",
        "admin_tokens.0.file": "what is in ada.hash",
    }
    assert {path.stat().st_mode & 0o777 for path in found.values()} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in found.values()} == {0o700}


def test_what_cannot_be_taken_leaves_what_was_there(data: DataFolder, tmp_path: Path) -> None:
    in_force, settings = ConfigInForce(data), written(tmp_path)
    in_force.take(tmp_path / "config.yaml", settings, 7)
    (tmp_path / "rules.yaml").unlink()
    with pytest.raises(ConfigError, match=r"constitution: .*rules.yaml cannot be read"):
        in_force.take(tmp_path / "config.yaml", settings, 8)
    assert in_force.settings().models.keys() == settings.models.keys()


def test_it_says_what_became_of_the_last_attempt(data: DataFolder, tmp_path: Path) -> None:
    in_force = ConfigInForce(data)
    assert in_force.loading() is None
    in_force.take(tmp_path / "config.yaml", written(tmp_path), 7)
    in_force.refused(["wrong"], 9)
    found = ConfigInForce(data).loading()
    assert found is not None
    assert (found.source, found.since_us, found.tried_us, found.problems) == (
        str(tmp_path / "config.yaml"),
        7,
        9,
        ("wrong",),
    )


def test_a_fingerprint_is_of_contents_wherever_they_lie(data: DataFolder, tmp_path: Path) -> None:
    settings = written(tmp_path)
    ConfigInForce(data).take(tmp_path / "config.yaml", settings, 7)
    before = fingerprint(ConfigInForce(data).settings(), UNREAD)
    (tmp_path / "key").write_text("another key")  # of an arm
    ConfigInForce(data).take(tmp_path / "config.yaml", settings, 8)
    assert fingerprint(ConfigInForce(data).settings(), UNREAD) == before
    (tmp_path / "rules.yaml").write_text("version: 1 # another\n")
    ConfigInForce(data).take(tmp_path / "config.yaml", settings, 9)
    assert fingerprint(ConfigInForce(data).settings(), UNREAD) != before


@pytest.mark.parametrize(
    ("old", "new", "read"),
    [
        ("http://127.0.0.1:8001", "http://127.0.0.1:8009", False),
        ("idle: 5", "idle: 6", False),
        ("1MiB", "2MiB", False),
        ("role: viewer", "role: auditor", False),
        ("encoder: model", "encoder: model, sample: 0.5", True),
        ("listen:", "retention: {days: 3}\nlisten:", True),
        ("listen:", "data: elsewhere\nlisten:", True),
    ],
)
def test_a_fingerprint_tells_what_a_scorer_reads(tmp_path: Path, old: str, new: str, *, read: bool) -> None:
    before = fingerprint(written(tmp_path), UNREAD)
    assert old in EVERYTHING
    (tmp_path / "config.yaml").write_text(EVERYTHING.replace(old, new, 1))
    after = fingerprint(load(tmp_path / "config.yaml", {}), UNREAD)
    assert (after != before) is read


def test_an_encoder_s_folder_that_was_filled_anew_is_another(tmp_path: Path) -> None:
    settings = written(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_bytes(b"one")
    before = fingerprint(settings, UNREAD)
    assert fingerprint(settings, UNREAD) == before
    other = tmp_path / "other"
    other.write_bytes(b"two")
    seen = (tmp_path / "model" / "model.onnx").stat()
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))  # as `cp -p` leaves it
    other.replace(tmp_path / "model" / "model.onnx")
    after = fingerprint(settings, UNREAD)
    assert after != before
    (tmp_path / "model" / ".#model.onnx").symlink_to("nowhere")  # as an editor leaves it
    assert fingerprint(settings, UNREAD) != after


def test_every_key_that_a_scorer_does_not_read_is_one() -> None:
    assert Settings.model_fields.keys() >= UNREAD
