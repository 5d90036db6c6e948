"""The configuration that must work as written, and what a wrong one gets."""

import copy
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from gateway.commands.check import key_list
from gateway.configfile import load, parse
from gateway.settings import ConfigError, Settings

TWO_LINES = {"models": {"assistant": {"arms": {"stable": {"endpoints": ["http://127.0.0.1:8001"]}}}}}

AS_WRITTEN = """
listen: 127.0.0.1:8080
admin: 127.0.0.1:9191
data: ./data
models:
  assistant:
    unit: [header:x-user-id, body:user]
    arms:
      stable: {endpoints: [http://127.0.0.1:8001]}
      canary: {endpoints: [http://127.0.0.1:8002], weight: 10}
"""


def read(text: str, **environment: str) -> Settings:
    return parse(yaml.safe_load(dedent(text)), Path("/etc/tipstaff"), environment)


def refused(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(raw, Path("/etc/tipstaff"), {})
    return caught.value.problems


def test_the_config_of_the_readme_works_as_written(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(AS_WRITTEN)
    settings = load(path, {})
    model = settings.models["assistant"]
    assert model.baseline == "stable"
    assert model.weights == {"canary": 0.1}
    assert model.unit == ("header:x-user-id", "body:user")
    assert settings.data == tmp_path / "data"


def test_two_lines_are_enough() -> None:
    settings = parse(TWO_LINES, Path("/etc/tipstaff"), {})
    assert settings.listen == "127.0.0.1:8080"
    assert settings.models["assistant"].weights == {}


def test_environment_overrides_and_reaches_names_that_it_cannot_spell() -> None:
    settings = read(
        AS_WRITTEN.replace("assistant", "acme/Assist-7B"),
        TIPSTAFF__LISTEN="0.0.0.0:80",
        TIPSTAFF__LIMITS__BODY_BYTES="1MiB",
        TIPSTAFF__MODELS__ACME_ASSIST_7B__ARMS__CANARY__WEIGHT="25",
    )
    assert settings.listen == "0.0.0.0:80"
    assert settings.limits.body_bytes == 1 << 20
    assert settings.models["acme/Assist-7B"].weights == {"canary": 0.25}


def test_an_environment_variable_that_is_no_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="lisen: no such key"):
        read(AS_WRITTEN, TIPSTAFF__LISEN="0.0.0.0:80")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("models.assistant.arms.stable.endpoints", ["127.0.0.1:8001"], "URL like http"),
        ("models.assistant.arms.stable.endpoints", ["http://u:p@h:1"], "api_key_file"),
        ("models.assistant.arms.stable.endpoints", ["http://h:1/v1"], "without a path"),
        ("models.assistant.arms.stable.endpoints", ["http://h:99999"], "ort"),
        ("models.assistant.arms.stable.endpoints", ["http://h:abc"], "ort"),
        ("models.assistant.arms.stable.endpoints", "http://h:1", "expected a list"),
        ("models.assistant.arms.stable.weight", True, "number"),
        ("models.assistant.arms", {}, "at least one"),
        ("models.assistant.arms.stable.endpoints", [], "at least one URL"),
        ("models.assistant.arms.stable.weight", 30, "takes the rest, 100 %"),
        ("models.assistant.arms.stable.fail_over", "nobody", "name another arm"),
        ("models.assistant.unit", ["cookie:sid"], "header:NAME"),
        ("models.assistant.unit", ["body:user id"], "no body name"),
        ("models.assistant.unit", ["header:x user"], "no header name"),
        ("listen", "8080", "host:port"),
        ("listen", ":8080", "the host is missing"),
        ("admin", "0.0.0.0:9191", "set admin_tokens"),
        ("limits", {"body_bytes": "lots"}, "64MiB"),
        (
            "admin_tokens",
            [{"name": "tipstaff", "role": "viewer", "file": "t"}],
            "what decisions call somebody else",
        ),
        ("admin_tokens", [{"name": "a b", "role": "viewer", "file": "t"}], "no person's name"),
        ("admin_tokens", [{"name": "ada", "role": "root", "file": "t"}], "'viewer', 'auditor' or 'operator'"),
        ("admin_tokens", [{"name": "ada", "role": "viewer", "file": f} for f in "ab"], "ada: named more than once"),
        ("admin_users", {"trusted": ["10.0.0.1/8"], "roles": {"ada": "viewer"}}, "host bits"),
        ("admin_users", {"trusted": ["0.0.0.0/0"], "roles": {"ada": "viewer"}}, "is everybody"),
        (
            "admin_users",
            {"header": "Host", "trusted": ["10.0.0.1"], "roles": {"ada": "viewer"}},
            "means something else already",
        ),
        ("admin_session_hours", 0, "greater than 0"),
        ("admin_session_hours", 721, "less than or equal to 720"),
        ("client_keys", [{"name": "shop", "file": "f", "models": []}], "at least 1"),
        ("admin_users", {"trusted": [], "roles": {"ada": "viewer"}}, "at least 1"),
        ("scoring", {"encoder": False}, "default, none, or the folder of a model"),
        ("audit", "never", "'batched' or 'strict'"),
        ("colour", "red", "no such key"),
    ],
)
def test_one_line_that_names_key_and_fix(path: str, value: object, words: str) -> None:
    raw: dict[str, Any] = copy.deepcopy(TWO_LINES)
    level = raw
    *parents, last = path.split(".")
    for parent in parents:
        level = level[parent]
    level[last] = value
    problems = refused(raw)
    assert len(problems) == 1
    assert words in problems[0]
    assert problems[0].startswith(path.split(".", maxsplit=1)[0])


def test_every_problem_has_its_line() -> None:
    raw = {**TWO_LINES, "listen": "x", "admin": "y", "colour": 1}
    assert len(refused(raw)) == 3


def test_more_than_two_arms_with_traffic_are_refused() -> None:
    arms = {name: {"endpoints": ["http://127.0.0.1:1"], "weight": 10} for name in ("b", "c")}
    raw = {"models": {"m": {"arms": {"a": {"endpoints": ["http://127.0.0.1:1"]}, **arms}}}}
    assert "at most two arms" in refused(raw)[0]


@pytest.mark.parametrize("text", ["- a list", "a: [", "", "\x00"])
def test_what_is_no_mapping_is_refused_with_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        load(path, {})


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tipstaff init"):
        load(tmp_path / "none.yaml", {})


def test_every_key_says_what_it_is_for() -> None:
    undocumented = [
        line for line in key_list() if ": " not in line.partition(")")[2] and not line.partition(": ")[2]
    ]
    assert undocumented == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n", "'listen' stands twice"),
        ("models:\n  a: {arms: {}}\n  a: {arms: {}}\n", "line 3"),
        ("", "found nothing"),
    ],
)
def test_what_would_be_passed_over_in_silence_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load(path, {})


def test_an_environment_variable_that_is_no_yaml_is_one_line() -> None:
    with pytest.raises(ConfigError, match="TIPSTAFF__LISTEN: not YAML"):
        read(AS_WRITTEN, TIPSTAFF__LISTEN="{")


@pytest.mark.parametrize(("listen", "admin"), [("127.0.0.1:80", "127.0.0.1:80"), ("0.0.0.0:80", "127.0.0.1:80")])
def test_one_port_cannot_be_both(listen: str, admin: str) -> None:
    assert "data port's address too" in refused({**TWO_LINES, "listen": listen, "admin": admin})[0]


def test_free_ports_are_two() -> None:
    parse({**TWO_LINES, "listen": "127.0.0.1:0", "admin": "127.0.0.1:0"}, Path("/etc/tipstaff"), {})


_STATE = {"state": {"url": "postgresql://tipstaff@db/tipstaff"}, "unit_key_file": "unit.key"}


def test_the_state_may_be_in_a_database() -> None:
    state = {"url": "postgresql://tipstaff@db:5433/tipstaff?sslmode=require", "password_file": "db.password"}
    found = parse({**TWO_LINES, **_STATE, "state": state}, Path("/etc/tipstaff"), {}).state
    assert found is not None
    assert found.password_file == Path("/etc/tipstaff/db.password")
    assert found.take_over_after == 5.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"state": {"url": "mysql://db/tipstaff"}}, "expected a URL like postgresql://"),
        ({"state": {"url": "postgresql://me:secret@db/tipstaff"}}, "put the password into a file"),
        ({"state": {"url": "postgresql://db/tipstaff?password=secret"}}, "put the password into a file"),
        ({"unit_key_file": None}, "needs unit_key_file"),
        ({"control": {"url": "http://c:9191", "token_file": "t"}}, "which is the one that keeps the state"),
    ],
)
def test_a_shared_state_that_cannot_be(given: dict[str, Any], said: str) -> None:
    (problem,) = refused({**TWO_LINES, **_STATE, **given})
    assert said in problem
    assert "secret" not in problem
