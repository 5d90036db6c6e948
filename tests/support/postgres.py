"""A real PostgreSQL server on loopback, and databases in it."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
import pytest

from gateway.controller.postgres import Postgres
from gateway.demo.session import dies_with_parent
from gateway.settings import State
from tests.support.components import ComponentUse
from tests.support.ports import free_port
from tests.support.secrets import SECRETS
from tests.support.wait import until

START_SECONDS = 60.0
_NUMBERS = count(1)


class PostgresServer:
    """One server in a folder of its own, for whoever connects from this machine. Started again it has its data.

    `owner`: its superuser.
    """

    def __init__(self, programs: Path, owner: str = "tipstaff") -> None:
        self._programs = programs
        self._owner = owner
        self._folder = Path(tempfile.mkdtemp(prefix="tipstaff-postgres-"))  # its user must be able to reach it
        self._port = free_port()
        self._user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        made = self._run(
            *("initdb", "--auth=trust", f"--username={owner}", "--no-sync", "--pgdata", str(self._data))
        )
        assert made.returncode == 0, made.stdout

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def pid(self) -> int:
        """Of its first process, while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def address(self) -> str:
        """Where it listens, host:port."""
        return f"127.0.0.1:{self._port}"

    def url(self, database: str = "postgres", user: str = "") -> str:
        """Of one of its databases."""
        return f"postgresql://{user or self._owner}@{self.address}/{database}"

    def start(self) -> None:
        """Begin, and wait until it takes connections."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *dies_with_parent(),
                    self._programs / "postgres",
                    *("-D", str(self._data), "-h", "127.0.0.1", "-p", str(self._port), "-k", ""),
                    *("-c", "fsync=off", "-c", "log_min_messages=log"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self._folder,
                start_new_session=True,  # a shared one is known by its session: see `lasting_processes`
            )
        until(self._takes_connections, START_SECONDS, "PostgreSQL takes connections")

    def _takes_connections(self) -> bool:
        return self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self._port), "-q").returncode == 0

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it at once, as a crash does; SIGINT: in order."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """All of its processes say nothing, and go on living."""
        assert self._process is not None
        family = [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]
        for each in family:
            each.suspend()
        try:
            yield
        finally:
            for each in family:
                each.resume()

    def close(self) -> None:
        """End it, and remove what it left."""
        self.stop()
        shutil.rmtree(self._folder)

    def new_database(self) -> str:
        """The URL of an empty one."""
        name: LiteralString = "d"
        with closing(psycopg.connect(self.url(), autocommit=True)) as connection:
            made = f"{name}{next(_NUMBERS)}"
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(made)))
        return self.url(made)

    def ask_for_passwords(self, user: str) -> None:
        """From now on of this user."""
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"host all {user} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        with closing(psycopg.connect(self.url(), autocommit=True)) as connection:
            connection.execute("SELECT pg_reload_conf()")

    def guard(self, user: str, password: str) -> None:
        """A user who must say this password, and who owns a database of the same name and nothing else."""
        name, word = psycopg.sql.Identifier(user), psycopg.sql.Literal(password)
        with closing(psycopg.connect(self.url(), autocommit=True)) as connection:
            connection.execute(psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, word))
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {0} OWNER {0}").format(name))
        self.ask_for_passwords(user)
        until(lambda: self._refuses(user), START_SECONDS, f"PostgreSQL asks {user} for a password")

    def _refuses(self, user: str) -> bool:
        try:
            psycopg.connect(self.url(user, user)).close()
        except psycopg.OperationalError as error:
            return "no password supplied" in str(error)
        return False

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self._programs / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=self._user,
            cwd=self._folder,
            timeout=START_SECONDS,
            check=False,
        )


def connect(url: str, name: str = "a-gateway") -> Postgres:
    """As a gateway does."""
    return Postgres.connect(State(url=url), name)


@pytest.fixture(scope="session")
def postgres_server(components: ComponentUse, lasting_processes: set[int]) -> Iterator[PostgresServer]:
    """One server for all tests that do it no harm: each takes a database of its own."""
    with closing(PostgresServer(components.path("postgres"))) as server:
        server.start()
        lasting_processes.add(server.pid)
        yield server


@pytest.fixture
def own_postgres(components: ComponentUse) -> Iterator[PostgresServer]:
    """One to be stopped and started again."""
    with closing(PostgresServer(components.path("postgres"))) as server:
        server.start()
        yield server


@pytest.fixture
def database(postgres_server: PostgresServer) -> str:
    """The URL of an empty database."""
    return postgres_server.new_database()


@pytest.fixture
def guarded_postgres(components: ComponentUse) -> Iterator[PostgresServer]:
    """One that has the user and the password of the chart's examples."""
    with closing(PostgresServer(components.path("postgres"), "admin")) as server:
        server.start()
        server.guard("tipstaff", SECRETS["tipstaff-postgres"]["password"])
        yield server
