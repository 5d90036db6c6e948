"""Real Kafka brokers on loopback, and what an outsider reads from them."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Self

import jsonschema  # type: ignore[import-untyped]
import pytest

from gateway.demo.session import dies_with_parent
from tests.components.debian import find_program
from tests.support.components import ComponentUse
from tests.support.ports import free_port, listening
from tests.support.wait import until

START_SECONDS = 90.0
CLUSTER_ID = "dGlwc3RhZmYtdGVzdC0wMQ"
_MEMORY = ("-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True, slots=True)
class Member:
    """Where one broker of a cluster listens."""

    number: int
    port: int = field(default_factory=free_port)
    quorum_port: int = field(default_factory=free_port)


class KafkaBroker:
    """One KRaft broker in a folder. `listener`: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; `more`: its properties.

    Started again it has the same ports and the same data.
    """

    def __init__(
        self,
        jars: Path,
        folder: Path,
        *,
        members: tuple[Member, ...] = (),
        number: int = 1,
        listener: str = "PLAINTEXT",
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._jars = jars
        self._folder = folder
        self._members = members or (Member(number),)
        self._me = next(each for each in self._members if each.number == number)
        self._listener = listener
        self._more = dict(more or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Its address for clients, host:port."""
        return f"127.0.0.1:{self._me.port}"

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Begin; `wait_ready` says when it can be used."""
        if not self._folder.exists():
            self._format()
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*dies_with_parent(), *self._java(), "kafka.Kafka", str(self._properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return once it answers; raises with its last words when it ends before."""
        until(self._answers, START_SECONDS, f"Kafka answers on {self.bootstrap}", every=0.1)

    def kill(self) -> None:
        """Kill -9; harmless when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def pause(self) -> None:
        """It still listens, and says nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _answers(self) -> bool:
        process = self._process
        assert process is not None
        if process.poll() is not None:
            raise RuntimeError(f"Kafka ended: {(self._folder / 'broker.log').read_text()[-2000:]}")
        if not listening(self._me.port):
            return False
        return self._listener != "PLAINTEXT" or _listed(self.bootstrap) is not None

    def _java(self) -> list[str]:
        return ["java", *_MEMORY, "-cp", f"{self._jars}/*"]

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def _format(self) -> None:
        self._folder.mkdir(parents=True)
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in self._settings().items()))
        alone = len(self._members) == 1
        voters = ",".join(
            f"{each.number}@127.0.0.1:{each.quorum_port}:{_directory(each)}" for each in self._members
        )
        how = ("--standalone",) if alone else ("--initial-controllers", voters)
        command = [
            *self._java(),
            "kafka.tools.StorageTool",
            "format",
            *how,
            "-t",
            CLUSTER_ID,
            "-c",
            self._properties,
        ]
        done = subprocess.run(command, check=False, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def _settings(self) -> dict[str, str]:
        copies = str(len(self._members))
        me = self._me
        return {
            "process.roles": "broker,controller",
            "node.id": str(me.number),
            "listeners": f"CLIENTS://127.0.0.1:{me.port},QUORUM://127.0.0.1:{me.quorum_port}",
            "advertised.listeners": f"CLIENTS://127.0.0.1:{me.port}",
            "listener.security.protocol.map": f"CLIENTS:{self._listener},QUORUM:PLAINTEXT",
            "inter.broker.listener.name": "CLIENTS",
            "controller.listener.names": "QUORUM",
            "controller.quorum.bootstrap.servers": ",".join(
                f"127.0.0.1:{each.quorum_port}" for each in self._members
            ),
            "log.dirs": str(self._folder / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": str(max(1, len(self._members) - 1)),
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            **self._more,
        }


def _directory(member: Member) -> str:
    """A directory id, 16 bytes in base64, that says whose it is."""
    return f"dGlwc3RhZmYt{member.number}WVtYmVyLw"


@dataclass(frozen=True, slots=True)
class Message:
    """A record as kcat reads it; `time_ms`: milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    time_ms: int
    key: str
    headers: dict[str, str]
    payload: str

    @property
    def id(self) -> tuple[str, str]:
        """What tells a repetition."""
        return self.headers["ce_type"], self.headers["ce_id"]


def messages(bootstrap: str, topic: str, *more: str) -> list[Message]:
    """All that is in the topic now, as an outsider reads it. `more`: further arguments of kcat."""
    done = subprocess.run(
        [_kcat(), "-b", bootstrap, *more, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=True,
    )
    # kcat gives payloads as they are, which need not be UTF-8.
    lines = done.stdout.decode(errors="surrogateescape").split("\n")
    return [_message(json.loads(line)) for line in lines if line]


def _message(found: dict[str, object]) -> Message:
    pairs = found.get("headers", [])
    assert isinstance(pairs, list)
    return Message(
        topic=str(found["topic"]),
        partition=int(str(found["partition"])),
        offset=int(str(found["offset"])),
        time_ms=int(str(found["ts"])),
        key=str(found["key"] or ""),
        headers=dict(zip(pairs[::2], pairs[1::2], strict=True)),
        payload=str(found["payload"]),
    )


def check_valid(message: Message) -> str:
    """CloudEvents 1.0 in binary mode, with a payload by the committed schema; the type."""
    headers = message.headers
    assert (headers["ce_specversion"], headers["content-type"]) == ("1.0", "application/json")
    payload = json.loads(message.payload)
    name = f"{headers['ce_type'].removeprefix('dev.tipstaff.')}.json"
    schema = json.loads(resources.files("gateway.events.schemas").joinpath(name).read_bytes())
    assert headers["ce_dataschema"] == schema["$id"]
    jsonschema.validate(payload, schema)
    assert headers["ce_id"] == payload["id"]
    return headers["ce_type"]


def topics(bootstrap: str) -> set[str]:
    """The names of the topics there are, without Kafka's own."""
    found = _listed(bootstrap)
    assert found is not None, f"no broker answers on {bootstrap}"
    return {name for name in found if not name.startswith("__")}


def _listed(bootstrap: str) -> set[str] | None:
    done = subprocess.run(
        [_kcat(), "-b", bootstrap, "-L", "-J", "-m", "3"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    if done.returncode != 0:
        return None
    return {each["topic"] for each in json.loads(done.stdout)["topics"]}


def _kcat() -> str:
    return str(find_program("kcat"))


class KafkaCluster:
    """Three brokers, three copies of everything, two of which must have what counts as delivered."""

    def __init__(self, jars: Path, folder: Path) -> None:
        members = tuple(Member(number) for number in (1, 2, 3))
        self.brokers = [
            KafkaBroker(jars, folder / f"broker-{each.number}", members=members, number=each.number)
            for each in members
        ]

    @property
    def bootstrap(self) -> str:
        """Of all, with commas between."""
        return ",".join(each.bootstrap for each in self.brokers)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for broker in self.brokers:
                stack.callback(broker.kill)  # in order they would wait for each other
                broker.start()
            for broker in self.brokers:
                broker.wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@pytest.fixture(scope="session")
def kafka_jars(components: ComponentUse) -> Path:
    """What a broker needs, and kcat to look into it."""
    components.path("kcat")
    return components.path("kafka")


@pytest.fixture(scope="session")
def kafka_broker(
    kafka_jars: Path, lasting_processes: set[int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaBroker]:
    """A broker for all who do it no harm; each takes topics of its own."""
    broker = KafkaBroker(kafka_jars, tmp_path_factory.mktemp("kafka") / "broker")
    try:
        broker.start()
        lasting_processes.add(broker.pid)
        broker.wait_ready()
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def own_broker(kafka_jars: Path, tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker of this test's own, not started."""
    broker = KafkaBroker(kafka_jars, tmp_path / "broker")
    yield broker
    broker.kill()
