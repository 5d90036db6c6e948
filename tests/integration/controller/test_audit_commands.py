"""`tipstaff rollout bundle`, `verify`, `what-if` and `tipstaff replay`, over a data folder and over files."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.controller import chain
from gateway.controller.bundle_file import BundleFile
from gateway.controller.what_if import BadVerdicts, of_bundle, of_file
from tests.integration.controller.test_bundle import packed
from tests.integration.controller.test_rollouts import PLAN, Site
from tests.support.rollouts import MODEL
from tests.unit.controller.conftest import shipped


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One that arrived."""
    made = Site(tmp_path_factory.mktemp("site"))
    made.start()
    made.run(300)
    assert made.status() == "promoted"
    yield made
    made.controller.close()


@pytest.fixture(scope="module")
def folder(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """plan.yaml, the same plan; rollout.zip; verdicts.jsonl of it."""
    path = tmp_path_factory.mktemp("files")
    (path / "plan.yaml").write_text(yaml.safe_dump({"plan": json.loads(msgspec.json.encode(PLAN))}))
    packed(site.controller.data, path / "rollout.zip")
    with zipfile.ZipFile(path / "rollout.zip") as file:
        (path / "verdicts.jsonl").write_bytes(file.read("verdicts.jsonl"))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_a_bundle_from_a_data_folder_holds(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "made.zip"
    data = site.controller.data
    assert run("rollout", "bundle", MODEL, "-o", path, "--data", data.root).exit_code == 0
    assert [each.name for each in tmp_path.iterdir()] == ["made.zip"]
    for wanted in ((path,), ("--data", data.root)):
        found = run("rollout", "verify", *wanted)
        assert found.exit_code == 0, found.output
        assert "decisions: all" in found.output


def test_verify_says_what_fails_with_exit_code_1(folder: Path) -> None:
    found = run("rollout", "verify", folder / "rollout.zip", "--head", "0" * 64)
    assert found.exit_code == 1
    assert "FAIL head: the chain has no decision" in found.output
    told = run("rollout", "verify", folder / "rollout.zip", "--head", "0" * 64, "--json")
    assert [each["name"] for each in json.loads(told.output) if not each["holds"]] == ["head"]


def test_what_is_no_bundle_and_where_nobody_answers(tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"PK")
    assert run("rollout", "verify", tmp_path / "no.zip").exit_code == 2
    assert run("rollout", "verify", tmp_path / "gone.zip").exit_code == 2
    found = run("rollout", "bundle", MODEL, "-o", tmp_path / "made.zip", "--admin", "127.0.0.1:1")
    assert found.exit_code == 2
    assert not (tmp_path / "made.zip").exists()
    assert run("rollout", "verify", "--data", tmp_path).exit_code == 2


@pytest.mark.parametrize("head", ["", "c8d585f0", "g" * 64])
def test_a_head_that_is_none_is_refused_and_not_passed_over(folder: Path, head: str) -> None:
    found = run("rollout", "verify", folder / "rollout.zip", "--head", head)
    assert found.exit_code == 2
    assert "expected the whole hash" in found.output


def test_the_same_plan_over_a_rollout_says_what_was_decided(site: Site, folder: Path) -> None:
    found = run("rollout", "what-if", folder / "rollout.zip", "--plan", folder / "plan.yaml", "--json")
    assert found.exit_code == 0, found.output
    told = json.loads(found.output)
    recorded = [made for made in site.decisions() if made.kind not in ("wait", "start", "weights")]
    assert [(each["kind"], each["time_us"]) for each in told["sayings"]] == [
        (made.kind, made.time_us) for made in recorded
    ]


def test_another_plan_parts_and_that_is_said(folder: Path) -> None:
    found = run("rollout", "what-if", folder / "rollout.zip", "--plan", "cautious")
    assert found.exit_code == 0, found.output
    assert "its rules would have changed nothing" in found.output
    other = yaml.safe_load((folder / "plan.yaml").read_text())["plan"]
    (folder / "quick.yaml").write_text(yaml.safe_dump({**other, "dwell": 5}))
    found = run("rollout", "what-if", folder / "rollout.zip", "--plan", folder / "quick.yaml")
    assert "advance, 0.3 of units" in found.output
    assert "dealt otherwise its rules can only say" in found.output


def test_a_file_of_verdicts_tells_its_stages(folder: Path) -> None:
    """Shares from the weights, a new salt from other buckets: as the decisions have it."""
    with BundleFile.open(folder / "rollout.zip") as file:
        known = of_bundle(file, PLAN).changes
    found = of_file(folder / "verdicts.jsonl", PLAN, shipped()).changes
    before_the_end = [each for each in known if each.share < 1]
    assert [(round(each.share, 9), each.new_salt) for each in found] == [
        (each.share, each.new_salt) for each in before_the_end
    ]
    assert [each.version for each in found] == [each.version for each in before_the_end]


def test_replay_over_a_file(folder: Path) -> None:
    plan = json.loads(msgspec.json.encode(PLAN))
    (folder / "quick.json").write_text(json.dumps({**plan, "dwell": 15}))
    found = run("replay", folder / "verdicts.jsonl", "--plan", folder / "quick.json")
    assert found.exit_code == 0, found.output
    assert "advance, 0.3 of units" in found.output
    assert "verdicts: read in" in found.output


def test_what_is_wrong_with_a_file_is_said(folder: Path, tmp_path: Path) -> None:
    rows = (folder / "verdicts.jsonl").read_bytes().splitlines(keepends=True)
    path = tmp_path / "verdicts.jsonl"
    other = rows[5].replace(b'"model":"assistant"', b'"model":"another"')
    for body, words in (
        ([rows[1], rows[0]], "line 2: out of order"),
        ([rows[0], b"{}\n"], "line 2: no verdict"),
        ([*rows[:5], other], "line 6: of model 'another'"),
        ([], "expected two"),
        ([row.replace(shipped().hash.encode(), b"c0ffee") for row in rows], "made under constitution c0ffee"),
    ):
        path.write_bytes(b"".join(body))
        with pytest.raises(BadVerdicts, match=words):
            of_file(path, PLAN, shipped())
        assert run("replay", path, "--plan", "fast").exit_code == 2
    with pytest.raises(BadVerdicts, match="the canary of them"):
        of_file(folder / "verdicts.jsonl", PLAN, shipped(), "nobody")


def test_a_plan_that_cannot_be_is_said(folder: Path) -> None:
    found = run("replay", folder / "verdicts.jsonl", "--plan", "hasty")
    assert found.exit_code == 2
    assert "hasty" in found.output


def test_the_head_of_a_notification_is_enough(site: Site, folder: Path) -> None:
    head = chain.decision_hash(site.decisions()[-1])
    assert run("rollout", "verify", folder / "rollout.zip", "--head", head).exit_code == 0
