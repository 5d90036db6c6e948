"""`tipstaff check`: what it says of a gateway that is not on its own."""

from pathlib import Path

import pytest
import yaml

from gateway.commands.check import check_config

ARM = {"endpoints": ["http://127.0.0.1:1"]}
ALONE = "this machine scores about"
SHARED = "the state is shared: of its gateways one leads"
SPANS = "spans of 0.01 of the exchanges, and of all that violate, go to http://otel:4318/v1/traces"
APART = "exchanges are read over Kafka, by tipstaff scorer --from kafka"


@pytest.mark.parametrize(
    ("more", "said", "unsaid"),
    [
        ({}, [ALONE], [SHARED, APART, "spans"]),
        ({"traces": {"endpoint": "http://otel:4318", "sample": 0.01}}, [SPANS, ALONE], [SHARED]),
        ({"state": {"url": "postgresql://db/tipstaff"}, "unit_key_file": "key"}, [SHARED, ALONE], [APART]),
        (
            {"events": {"source": "a", "kafka": {"bootstrap": "k:1"}, "content": "include"}},
            [APART],
            [ALONE, SHARED],
        ),
    ],
)
def test_what_is_done_elsewhere_is_said(
    tmp_path: Path, more: dict[str, object], said: list[str], unsaid: list[str]
) -> None:
    (tmp_path / "key").write_text("1" * 64)
    written = {"models": {"assistant": {"arms": {"stable": ARM}}}, "scoring": {"encoder": "none"}, **more}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(written))
    report = check_config(tmp_path / "config.yaml")
    assert report.problems == []
    text = "\n".join(report.lines())
    assert [words for words in said if words not in text] == []
    assert [words for words in unsaid if words in text] == []


def test_a_url_that_no_driver_takes_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("1" * 64)
    state = {"url": "postgresql://db/tipstaff?nonsense=1"}
    written = {"models": {"assistant": {"arms": {"stable": ARM}}}, "unit_key_file": "key", "state": state}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(written))
    (problem,) = check_config(tmp_path / "config.yaml").problems
    assert problem.startswith("state.url: ")
    assert "nonsense" in problem
