"""Sessions: opened by a token, kept over a restart, ended by time, by their owner, and with their token."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway import atomicfile
from gateway.controller.sessions import MOST, Sessions
from gateway.core.identity import Identity, Role, Tokens, digest
from tests.support.manual_clock import ManualClock

ADA, VIC = Identity("ada", Role.OPERATOR), Identity("vic", Role.VIEWER)
TOKENS = Tokens({digest("s3cret"): ADA, digest("v1ew"): VIC})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sessions" / "open.json"


def opened(file: Path, clock: ManualClock, tokens: Tokens = TOKENS) -> Sessions:
    return Sessions(file, tokens, clock, 60)


def who(sessions: Sessions, word: str) -> Identity | None:
    found = sessions.find(word)
    return None if found is None else found.who


def test_its_word_says_who_until_its_time_is_over(file: Path, clock: ManualClock) -> None:
    sessions = opened(file, clock)
    word, session = sessions.open(b"s3cret")
    assert len(word) >= 43  # 256 bits
    assert sessions.find(word) == session
    assert (session.who, session.until_us) == (ADA, clock.us + 60_000_000)
    assert who(sessions, sessions.open(b"v1ew")[0]) == VIC
    assert (sessions.find("another"), sessions.find("")) == (None, None)
    clock.advance(59.9)
    assert who(sessions, word) == ADA
    clock.advance(0.1)
    assert sessions.find(word) is None


def test_nobodys_token_opens_none(file: Path, clock: ManualClock) -> None:
    with pytest.raises(KeyError):
        opened(file, clock).open(b"guess")


def test_they_outlive_a_restart_and_their_words_are_not_kept(file: Path, clock: ManualClock) -> None:
    word, session = opened(file, clock).open(b"s3cret")
    assert opened(file, clock).find(word) == session
    content = file.read_text()
    assert word not in content
    assert "s3cret" not in content
    assert "ada" not in content
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_ended_stays_so_over_a_restart(file: Path, clock: ManualClock) -> None:
    sessions = opened(file, clock)
    word, other = sessions.open(b"s3cret")[0], sessions.open(b"s3cret")[0]
    sessions.end(word)
    for each in (sessions, opened(file, clock)):
        assert (who(each, word), who(each, other)) == (None, ADA)


def test_a_role_follows_the_token_and_one_that_is_gone_ends_for_good(file: Path, clock: ManualClock) -> None:
    word, _ = opened(file, clock).open(b"s3cret")
    lesser = Identity("ada", Role.VIEWER)
    assert who(opened(file, clock, Tokens({digest("s3cret"): lesser})), word) == lesser
    assert who(opened(file, clock, Tokens({digest("v1ew"): VIC})), word) is None
    assert who(opened(file, clock), word) is None


def test_one_token_has_so_many_and_the_oldest_goes(file: Path, clock: ManualClock) -> None:
    sessions = opened(file, clock)
    another = sessions.open(b"v1ew")[0]
    words = [sessions.open(b"s3cret")[0] for _ in range(MOST + 1)]
    assert who(sessions, words[0]) is None
    assert [who(sessions, word) for word in words[1:]] == [ADA] * MOST
    assert who(sessions, another) == VIC
    assert who(opened(file, clock), words[1]) == ADA
    sessions = opened(file, clock)
    sessions.open(b"s3cret")
    assert who(sessions, words[1]) is None


def test_those_whose_time_is_over_are_not_kept(file: Path, clock: ManualClock) -> None:
    sessions = opened(file, clock)
    sessions.open(b"v1ew")
    clock.advance(61)
    sessions.open(b"s3cret")
    assert len(json.loads(file.read_text())) == 1


def test_without_a_disk_they_last_as_long_as_the_process(file: Path, clock: ManualClock) -> None:
    sessions = opened(file / "in a folder" / "that is not there", clock)
    with capture_logs() as logs:
        word, _ = sessions.open(b"s3cret")
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert who(sessions, word) == ADA
    sessions.end(word)
    assert sessions.find(word) is None


def test_who_signed_out_on_a_full_disk_is_not_back_after_a_restart(
    file: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = opened(file, clock)
    word, other = sessions.open(b"s3cret")[0], sessions.open(b"s3cret")[0]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomicfile, "replace", full)
    sessions.end(word)
    assert who(sessions, other) == ADA
    assert [who(opened(file, clock), each) for each in (word, other)] == [None, None]


@pytest.mark.parametrize("content", [b"", b"{}", b"[{}]", b"\xff"])
def test_a_broken_file_signs_everybody_out_and_is_told(file: Path, clock: ManualClock, content: bytes) -> None:
    opened(file, clock).open(b"s3cret")
    file.write_bytes(content)
    with capture_logs() as logs:
        sessions = opened(file, clock)
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert who(sessions, sessions.open(b"s3cret")[0]) == ADA
