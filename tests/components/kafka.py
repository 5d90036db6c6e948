"""A real Kafka broker: its jars from Maven, run by whatever Java there is."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.vllm import cache_folder, is_complete
from tests.components.cache import build
from tests.components.command import run
from tests.components.component import Missing

VERSION = "4.1.1"
DEPENDENCIES = (
    ("org.apache.kafka", "kafka_2.13", VERSION),
    ("org.apache.kafka", "kafka-tools", VERSION),
    ("org.slf4j", "slf4j-simple", "1.7.36"),
)
DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
POM = (
    "<project><modelVersion>4.0.0</modelVersion>"
    "<groupId>dev.tipstaff</groupId><artifactId>kafka</artifactId><version>1</version>"
    "<dependencies>{}</dependencies></project>"
)
INSTALL_DEADLINE = 900.0


@dataclass(frozen=True, slots=True)
class Kafka:
    """Found: the folder of jars, for `java -cp 'FOLDER/*'`."""

    name: str = "kafka"

    def find(self) -> Path | None:
        folder = cache_folder() / f"kafka-{VERSION}"
        return folder / "jars" if is_complete(folder) and shutil.which("java") else None

    def install(self) -> None:
        for program in ("java", "mvn"):
            if not shutil.which(program):
                raise Missing(f"no {program} on PATH: install Java 17 or newer, and Maven")
        build(f"kafka-{VERSION}", _install)


def _install(folder: Path) -> None:
    pom = folder / "pom.xml"
    pom.write_text(POM.format("".join(DEPENDENCY.format(*each) for each in DEPENDENCIES)))
    copy = ("dependency:copy-dependencies", f"-DoutputDirectory={folder / 'jars'}")
    run(("mvn", "-q", "-B", "-f", pom, *copy), INSTALL_DEADLINE)
