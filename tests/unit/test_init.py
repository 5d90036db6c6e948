"""What `tipstaff init` writes is a configuration that `tipstaff serve` takes."""

from pathlib import Path

import pytest
import yaml

from gateway.commands.init import InitError, Served, configuration, write
from gateway.configfile import parse
from gateway.settings import Settings


def written(text: str) -> Settings:
    return parse(yaml.safe_load(text), Path("/etc/tipstaff"), {})


def test_two_servers_become_stable_and_a_canary_of_ten_percent() -> None:
    served = [Served("http://127.0.0.1:1", ("acme/v1",)), Served("http://127.0.0.1:2", ("acme/v2",))]
    settings = written(configuration(served, None, {"canary": Path("key")}))
    model = settings.models["acme/v1"]
    assert model.weights == {"canary": 0.1}
    assert [arm.version for arm in model.arms.values()] == ["acme/v1", "acme/v2"]
    assert model.arms["canary"].model == ""  # the one name it serves is mapped at start
    assert model.arms["canary"].api_key_file == Path("/etc/tipstaff/key")
    assert model.arms["stable"].api_key_file is None


def test_one_server_with_two_names_becomes_two_arms_of_it_with_no_traffic_moved() -> None:
    settings = written(configuration([Served("http://127.0.0.1:1", ("base", "lora"))], None, {}))
    model = settings.models["base"]
    assert model.arms["canary"].model == "lora"
    assert model.arms["canary"].endpoints == model.arms["stable"].endpoints
    assert model.weights == {"canary": 0.0}


def test_a_name_of_ones_own_keeps_what_the_server_calls_it() -> None:
    settings = written(configuration([Served("http://127.0.0.1:1", ("base", "lora"))], "assistant", {}))
    assert settings.models["assistant"].arms["stable"].model == "base"


def test_one_server_with_one_name_is_one_arm() -> None:
    settings = written(configuration([Served("http://127.0.0.1:1", ("base",))], None, {}))
    assert list(settings.models["base"].arms) == ["stable"]


def test_what_serve_would_refuse_is_not_written(tmp_path: Path) -> None:
    served = [Served("http://127.0.0.1:1", ("acme/v1",))]
    with pytest.raises(InitError, match="no model name"):
        write(tmp_path / "config.yaml", configuration(served, "a b", {}))
    assert not (tmp_path / "config.yaml").exists()


def test_one_server_is_not_two(tmp_path: Path) -> None:
    with pytest.raises(InitError, match="given twice"):
        configuration([Served("http://127.0.0.1:1", ("v1",))] * 2, None, {})
