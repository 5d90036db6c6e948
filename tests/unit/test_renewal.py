"""SIGHUP in a process that begins anew: when it does, and when it goes on as it is."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app.reload import Renewal
from gateway.configfile import load
from gateway.process import READY, Again, Parent
from tests.support.wait import until

CONFIG = "models: {a: {arms: {b: {endpoints: ['http://127.0.0.1:PORT']}}}}\nretention: {days: DAYS}\ndata: data\n"
UNREAD = frozenset({"models"})


class Child:
    """A process without a supervisor, over one file."""

    def __init__(self, folder: Path, unread: frozenset[str]) -> None:
        self.path = folder / "config.yaml"
        self.write()
        self.stopped = threading.Event()
        self.refused: list[str] = []
        running = load(self.path, {})
        self.renewal = Renewal(self.path, running, Parent(None), self.refused.extend, unread=unread)
        self.renewal.stop = self.stopped.set

    def write(self, port: int = 1, days: int = 7) -> None:
        self.path.write_text(CONFIG.replace("PORT", str(port)).replace("DAYS", str(days)))

    def asked(self) -> None:
        """And answered: a reload is looked at in a thread of its own."""
        self.renewal.asked()
        until(lambda: not any(each.name == "reload" for each in threading.enumerate()), 20, "it is looked at")


@pytest.mark.parametrize(
    ("unread", "port", "days", "anew"),
    [
        (UNREAD, 1, 7, False),
        (UNREAD, 2, 7, False),
        (UNREAD, 1, 8, True),
        (UNREAD, 2, 8, True),
        (frozenset(), 1, 7, True),  # whoever does not say what it leaves unread always begins anew
    ],
)
def test_it_begins_anew_where_what_it_reads_has_changed(
    tmp_path: Path, unread: frozenset[str], port: int, days: int, *, anew: bool
) -> None:
    child = Child(tmp_path, unread)
    child.write(port, days)
    child.asked()
    assert child.stopped.is_set() is anew
    if anew:
        with pytest.raises(Again):
            child.renewal.finish()
    else:
        child.renewal.finish()
        assert child.renewal._running == load(child.path, {})


def test_what_is_wrong_is_refused_and_it_goes_on(tmp_path: Path) -> None:
    child = Child(tmp_path, UNREAD)
    child.write(days=-1)
    child.asked()
    assert not child.stopped.is_set()
    assert "retention.days" in child.refused[0]


@pytest.fixture
def link() -> Iterator[tuple[socket.socket, Parent]]:
    ours, theirs = socket.socketpair()
    parent = Parent(theirs.detach())
    yield ours, parent
    ours.close()
    assert parent._socket is not None
    parent._socket.close()


def test_the_supervisor_hears_that_it_works_by_the_new_one(
    tmp_path: Path, link: tuple[socket.socket, Parent], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, parent = link
    child = Child(tmp_path, UNREAD)
    child.write(port=2)
    monkeypatch.setattr("gateway.app.reload.reloaded", lambda *_: load(child.path, {}))
    renewal = Renewal(child.path, load(child.path, {}), parent, unread=UNREAD)
    renewal.asked()
    ours.settimeout(20)
    assert ours.recv(1) == READY
    renewal.finish()
