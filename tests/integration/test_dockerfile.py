"""The image: its Dockerfile is linted, and its steps run in a folder of this machine: no engine is at hand."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway import __version__
from tests.support.chart import CHART
from tests.support.components import ComponentUse, requires
from tests.support.dockerfile import DOCKERFILE, Instruction, stages
from tests.support.processes import MARK

ROOT = DOCKERFILE.parents[2]
pytestmark = pytest.mark.timeout(900)


def given(stage: list[Instruction], word: str) -> list[str]:
    return [each.rest for each in stage if each.word == word]


@requires("hadolint")
def test_a_linter_has_nothing_to_say(components: ComponentUse) -> None:
    hadolint = components.path("hadolint").with_name("hadolint")
    linted = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_it_is_what_the_chart_runs() -> None:
    build, final = stages()
    for (base,) in (given(build, "FROM"), given(final, "FROM")):
        assert "@${PYTHON_DIGEST}" in base
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    user, group = (values["podSecurityContext"][key] for key in ("runAsUser", "runAsGroup"))
    assert given(final, "USER") == [f"{user}:{group}"]
    assert given(final, "ENTRYPOINT") == ['["tipstaff"]']
    assert f'version="{__version__}"' in given(final, "LABEL")[0]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__
    (check,) = given(final, "HEALTHCHECK")
    assert json.loads(check[check.index("[") :])[0] == "python"


def test_what_it_copies_is_sent_to_the_builder() -> None:
    """BuildKit reads the file of this name, beside the Dockerfile, in place of .dockerignore."""
    ignored = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    sent = [Path(line[1:]) for line in ignored if line.startswith("!")]
    assert ignored[0] == "*"
    copied = [Path(word) for each in given(stages()[0], "COPY") for word in each.split()[:-1]]
    assert copied
    assert not [path for path in copied if not (ROOT / path).exists()]
    assert not [path for path in copied if not {path, *path.parents} & {*sent}]


class Image:
    """The steps of the build stage, done in a folder in place of the image's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._at = root

    def here(self, text: str) -> str:
        return re.sub(r"(?<![\w/.])/(opt|src)\b", lambda found: f"{self.root}/{found[1]}", text)

    def do(self, instruction: Instruction) -> None:
        if instruction.word == "WORKDIR":
            self._at = Path(self.here(instruction.rest))
            self._at.mkdir(parents=True)
        elif instruction.word == "COPY":
            self._copy(*instruction.rest.split())
        elif instruction.word == "RUN":
            self._run(self.here(instruction.rest))
        else:
            assert instruction.word == "FROM"

    def _copy(self, *words: str) -> None:
        *sources, target = words
        for source in (ROOT / each for each in sources):
            if source.is_dir():
                shutil.copytree(source, self._at / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (self._at / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(source, self._at / target)

    def _run(self, script: str) -> None:
        """By the Python of the tests; its own variables, so that nothing of this environment is found by chance."""
        path = f"{Path(sys.base_prefix) / 'bin'}:{os.defpath}"
        ended = subprocess.run(
            ["sh", "-ec", script],
            cwd=self._at,
            env={"PATH": path, "HOME": str(self.root), MARK: os.environ[MARK]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]


def test_its_steps_make_an_environment_that_runs(tmp_path: Path) -> None:
    image = Image(tmp_path)
    for instruction in stages()[0]:
        image.do(instruction)
    programs = tmp_path / "opt" / "tipstaff" / "bin"
    assert not (programs / "pip").exists()
    config = tmp_path / "config.yaml"
    config.write_text("models: {assistant: {arms: {stable: {endpoints: ['http://127.0.0.1:9']}}}}\n")
    environment = {"PATH": f"{programs}:{os.defpath}", "HOME": str(tmp_path), MARK: os.environ[MARK]}
    for command, words in (
        (("tipstaff", "version"), __version__),
        (("tipstaff", "check", str(config)), "is fine"),
        (("python", "-c", "import psycopg, dashboards; print(psycopg.__version__)"), "3."),
    ):
        ended = subprocess.run(
            [programs / command[0], *command[1:]],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert words in ended.stdout
