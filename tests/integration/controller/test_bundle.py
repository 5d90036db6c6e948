"""Bundles of real rollouts: they hold anywhere, and nothing that was done to them or to the chain goes unseen."""

import json
import shutil
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from gateway.controller import chain
from gateway.controller.bundle import Manifest, Member, bundle
from gateway.controller.bundle_file import BundleFile, DamagedBundle
from gateway.controller.index_schema import stored_verdict
from gateway.controller.record import NoRecord, read_record
from gateway.controller.verification import Check, verify
from gateway.events.schema import DecisionV1, VerdictV1
from gateway.layout import DataFolder
from gateway.tablefile import read_table
from tests.integration.controller.test_reports import PLAN as WITH_FEEDBACK
from tests.integration.controller.test_reports import Said
from tests.integration.controller.test_rollouts import Site
from tests.support.rollouts import MODEL
from tests.unit.controller.conftest import shipped
from tests.unit.controller.support import entries

ALL = ["manifest", "chain", "terms", "decisions"]


def packed(data: DataFolder, path: Path, wanted: str = "") -> Path:
    path.write_bytes(b"".join(bundle(data, read_record(data, wanted), "0.0.1")))
    return path


def failing(checks: list[Check]) -> list[str]:
    return [each.name for each in checks if not each.holds]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One that was rolled back on evidence, after an operator's words, one of them refused."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.start()
    site.run(10)
    site.rollouts.command(MODEL, "suspend", "bob", "a look at it")
    with pytest.raises(Exception, match="suspended"):
        site.rollouts.command(MODEL, "suspend", "bob", "again")
    site.run(3)
    site.rollouts.command(MODEL, "resume", "bob", "it is fine")
    site.run(25)
    site.traffic.canary = 0.4
    site.run(60)
    assert site.status() == "rolled_back"
    site.controller.tables.set_weights(MODEL, {"canary": 0.0}, "after it")
    yield site
    site.controller.close()


@pytest.fixture(scope="module")
def whole(ended: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(ended.controller.data, tmp_path_factory.mktemp("bundle") / "whole.zip")


Members = dict[str, bytes]


def repacked(whole: Path, path: Path, change: Callable[[Members], object], *, fitting: bool = True) -> Path:
    """A bundle with other members; `fitting`: its manifest is made to say so."""
    with zipfile.ZipFile(whole) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    if fitting:
        manifest = msgspec.json.decode(members.pop("manifest.json"), type=Manifest)
        said = {name: Member(sha256(body).hexdigest(), len(body)) for name, body in members.items()}
        bodies = members["decisions.jsonl"].splitlines()
        head = sha256(bodies[-1]).hexdigest()
        made = msgspec.structs.replace(manifest, members=said, head=head)
        members["manifest.json"] = msgspec.json.encode(made)
    with zipfile.ZipFile(path, "w") as file:
        for name, body in members.items():
            file.writestr(name, body)
    return path


def test_it_holds_and_is_the_same_each_time(ended: Site, whole: Path, tmp_path: Path) -> None:
    checks = verify(whole)
    assert [each.name for each in checks] == ALL
    assert failing(checks) == []
    assert packed(ended.controller.data, tmp_path / "again.zip").read_bytes() == whole.read_bytes()


def test_every_head_that_was_known_is_found(ended: Site, whole: Path) -> None:
    for made in ended.decisions():
        assert failing(verify(whole, chain.decision_hash(made))) == []


def test_there_is_no_text_and_all_that_it_rests_on(whole: Path) -> None:
    with zipfile.ZipFile(whole) as file:
        assert set(file.namelist()) == {
            *("plan.json", "constitution.json", "beginning.json", "arms.json", "manifest.json"),
            *("verdicts.jsonl", "inputs.jsonl", "labels.jsonl", "decisions.jsonl"),
        }
        rows = [json.loads(line) for line in file.read("verdicts.jsonl").splitlines()]
        words = [json.loads(line)["action"] for line in file.read("inputs.jsonl").splitlines()]
        arms = json.loads(file.read("arms.json"))
    assert words == ["suspend", "suspend", "resume"]  # the one that was refused too: it moved time
    assert len(rows) > 1000
    assert {key for row in rows for key in row} <= {"type", *VerdictV1.__struct_fields__}
    assert arms["facts"]["canary"]["version"] == "canary-1"
    assert arms["classifiers"] == {"rules": "1"}


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 0.9])
def test_a_changed_byte_is_found(whole: Path, tmp_path: Path, share: float) -> None:
    body = bytearray(whole.read_bytes())
    body[int(len(body) * share)] ^= 0x10
    path = tmp_path / "changed.zip"
    path.write_bytes(body)
    assert damaged(path)


def damaged(path: Path) -> bool:
    try:
        return bool(failing(verify(path)))
    except DamagedBundle:
        return True


NAMED = ["plan.json", "constitution.json", "beginning.json", "verdicts.jsonl", "inputs.jsonl", "decisions.jsonl"]


@pytest.mark.parametrize("name", NAMED)
def test_a_changed_member_is_found_by_the_manifest(whole: Path, tmp_path: Path, name: str) -> None:
    def change(members: Members) -> None:
        members[name] = members[name].replace(b"1", b"2", 1)

    checks = verify(repacked(whole, tmp_path / "changed.zip", change, fitting=False))
    assert failing(checks)[0] == "manifest"
    assert name in checks[0].said


def test_a_member_too_many_is_found(whole: Path, tmp_path: Path) -> None:
    checks = verify(repacked(whole, tmp_path / "more.zip", lambda all_: all_.update(x=b""), fitting=False))
    assert failing(checks) == ["manifest"]


def lines_of(members: Members, name: str) -> list[bytes]:
    return members[name].splitlines(keepends=True)


def test_changed_evidence_is_found_by_the_replay(whole: Path, tmp_path: Path) -> None:
    """Also where the manifest was made to fit."""

    def forgive(members: Members) -> None:
        rows = lines_of(members, "verdicts.jsonl")
        place = next(n for n, row in enumerate(rows) if b'"violates"' in row and b'"assigned":"canary"' in row)
        rows[place] = rows[place].replace(b'"violates"', b'"upholds"')
        members["verdicts.jsonl"] = b"".join(rows)

    def forget(members: Members) -> None:
        members["inputs.jsonl"] = b""

    def drop(members: Members) -> None:
        members["verdicts.jsonl"] = b"".join(lines_of(members, "verdicts.jsonl")[:500])

    for change in (forgive, forget, drop):
        assert failing(verify(repacked(whole, tmp_path / "changed.zip", change))) == ["decisions"]


def test_rows_out_of_order_are_found(whole: Path, tmp_path: Path) -> None:
    def swap(members: Members) -> None:
        first, second, *rest = lines_of(members, "verdicts.jsonl")
        members["verdicts.jsonl"] = b"".join((second, first, *rest))

    checks = verify(repacked(whole, tmp_path / "swapped.zip", swap))
    assert failing(checks) == ["contents"]
    assert "line 2" in checks[-1].said


def test_another_plan_or_constitution_is_found_by_what_decisions_rest_on(whole: Path, tmp_path: Path) -> None:
    def milder(members: Members) -> None:
        members["plan.json"] = members["plan.json"].replace(b'"alpha":0.05', b'"alpha":0.04')

    def renamed(members: Members) -> None:
        body = json.loads(members["constitution.json"])
        body["title"] = "Another one"
        members["constitution.json"] = json.dumps(body).encode()

    def other_version(members: Members) -> None:
        members["beginning.json"] = members["beginning.json"].replace(b"canary-1", b"canary-2")

    for change in (milder, renamed, other_version):
        assert "terms" in failing(verify(repacked(whole, tmp_path / "changed.zip", change)))


def test_a_plan_that_is_none_is_said_and_not_raised(whole: Path, tmp_path: Path) -> None:
    def other_metric(members: Members) -> None:
        members["plan.json"] = members["plan.json"].replace(b'"metric":"harm"', b'"metric":"harmony"')

    assert "contents" in failing(verify(repacked(whole, tmp_path / "changed.zip", other_metric)))


def relinked(bodies: list[bytes]) -> list[bytes]:
    """A chain of the same decisions that is whole again."""
    decisions = [msgspec.json.decode(body, type=DecisionV1) for body in bodies]
    return [chain.canonical(made) for made in chain.link(decisions, chain.GENESIS)]


def chained(whole: Path, path: Path, change: Callable[[list[bytes]], list[bytes]]) -> Path:
    def _change(members: Members) -> None:
        bodies = change(members["decisions.jsonl"].splitlines())
        members["decisions.jsonl"] = b"".join(body + b"\n" for body in bodies)

    return repacked(whole, path, _change)


def test_a_removed_tail_is_found_with_a_known_head(ended: Site, whole: Path, tmp_path: Path) -> None:
    cut = chained(whole, tmp_path / "cut.zip", lambda bodies: bodies[:-1])
    head = chain.decision_hash(ended.decisions()[-1])
    assert failing(verify(cut)) == []  # the last one is not of this rollout: nothing misses it
    assert failing(verify(cut, head)) == ["head"]


def test_a_reordered_and_a_spliced_chain_are_found(whole: Path, tmp_path: Path) -> None:
    reordered = chained(whole, tmp_path / "a.zip", lambda all_: [*all_[:3], all_[4], all_[3], *all_[5:]])
    spliced = chained(whole, tmp_path / "b.zip", lambda all_: [*all_[:3], *all_[4:]])
    doubled = chained(whole, tmp_path / "c.zip", lambda all_: [*all_[:4], *all_[3:]])
    for path in (reordered, spliced, doubled):
        assert "chain" in failing(verify(path))


def test_a_rewritten_chain_is_found_with_a_known_head(ended: Site, whole: Path, tmp_path: Path) -> None:
    """Somebody changed who did it, and made all hashes anew."""
    head = chain.decision_hash(ended.decisions()[-1])

    def rewrite(bodies: list[bytes]) -> list[bytes]:
        return relinked([body.replace(b'"after it"', b'"not me!!"') for body in bodies])

    rewritten = chained(whole, tmp_path / "rewritten.zip", rewrite)
    assert failing(verify(rewritten)) == []
    assert failing(verify(rewritten, head)) == ["head"]


def test_a_rewritten_decision_of_the_rollout_is_found_without_any_head(whole: Path, tmp_path: Path) -> None:
    def rewrite(bodies: list[bytes]) -> list[bytes]:
        return relinked([body.replace(b'"kind":"roll_back"', b'"kind":"suspend"') for body in bodies])

    assert failing(verify(chained(whole, tmp_path / "rewritten.zip", rewrite))) == ["decisions"]


def test_a_decision_changed_in_the_store_is_found(ended: Site, tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    shutil.copytree(ended.controller.data.root, data.root)
    with closing(sqlite3.connect(data.state)) as connection, connection:
        last = "SELECT max(number) FROM decisions"
        sql = f"UPDATE decisions SET body = replace(body, 'after it', 'then was') WHERE number = ({last})"  # noqa: S608
        connection.execute(sql)
    assert failing(verify(packed(data, tmp_path / "changed.zip"))) == ["chain"]


def test_it_holds_after_the_texts_are_gone_and_units_are_forgotten(ended: Site, tmp_path: Path) -> None:
    """A forgotten unit's hash becomes another one, the same wherever it stood."""
    data = DataFolder(tmp_path / "data")
    shutil.copytree(ended.controller.data.root, data.root)
    shutil.rmtree(data.texts, ignore_errors=True)
    with closing(sqlite3.connect(data.index)) as connection, connection:
        forget_every_third(connection)
    path = packed(data, tmp_path / "forgotten.zip")
    assert failing(verify(path)) == []
    with zipfile.ZipFile(path) as file, zipfile.ZipFile(packed(ended.controller.data, tmp_path / "a.zip")) as other:
        assert file.read("verdicts.jsonl") != other.read("verdicts.jsonl")


def forget_every_third(connection: sqlite3.Connection) -> None:
    for identifier, blob in connection.execute("SELECT id, verdict FROM exchanges").fetchall():
        event = stored_verdict(blob)
        unit = event.assignment.unit_hash
        if int.from_bytes(unit, "big") % 3 == 0:
            pseudonym = sha256(b"pseudonym" + unit).digest()[:16]
            assignment = msgspec.structs.replace(event.assignment, unit_hash=pseudonym)
            body = msgspec.msgpack.encode(msgspec.structs.replace(event, assignment=assignment))
            connection.execute("UPDATE exchanges SET verdict = ? WHERE id = ?", (zlib.compress(body), identifier))


def test_it_holds_over_a_rotation_of_the_unit_key(tmp_path: Path) -> None:
    """Everybody becomes somebody else while it runs."""
    site = Site(tmp_path / "site")
    site.start()
    site.run(30)
    site.traffic.rotate()
    site.run(300)
    assert site.status() == "promoted"
    assert failing(verify(packed(site.controller.data, tmp_path / "rotated.zip"))) == []
    site.controller.close()


def test_it_holds_where_feedback_decided(tmp_path: Path) -> None:
    said = Said(tmp_path / "site")
    parts = said.site.controller
    parts.clock.advance((said.site.traffic.now_us - parts.clock.now_us()) / 1e6)
    said.site.start(WITH_FEEDBACK)
    for _ in range(60):
        said.step(disliked=4)
    assert said.site.status() == "rolled_back"
    path = packed(parts.data, tmp_path / "said.zip")
    assert failing(verify(path)) == []
    with zipfile.ZipFile(path) as file:
        assert b'"type":"reports"' in file.read("inputs.jsonl")
    parts.close()


def test_one_that_still_runs_holds_at_every_second(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.start()
    for _ in range(30):
        site.step(1.7)
        checks = verify(packed(site.controller.data, tmp_path / "now.zip"))
        assert failing(checks) == [], checks
    site.controller.close()


def backlog(site: Site, seconds: float) -> None:
    """Verdicts come in, and nobody reads them yet."""
    table = read_table(site.controller.data.table)
    assert table is not None
    site.controller.index.add(entries(site.traffic.verdicts(table, seconds, shipped().hash)), {})


def test_one_in_the_middle_of_a_backlog_and_after_a_crash(tmp_path: Path) -> None:
    """An operator speaks while verdicts wait to be read: those are counted after it, also in the replay."""
    site = Site(tmp_path / "site")
    site.start()
    site.run(5)
    backlog(site, 120)
    site.rollouts.advance(site.traffic.now_us)  # a batch of it
    site.rollouts.command(MODEL, "freeze", "ann", "too much at once")
    site.crash()
    site.run(30)
    path = packed(site.controller.data, tmp_path / "now.zip")
    assert failing(verify(path)) == []
    with BundleFile.open(path) as file:
        (word,) = [json.loads(line) for line in file.lines("inputs.jsonl")]
        times = [json.loads(line)["time_us"] for line in file.lines("verdicts.jsonl")]
    assert times[0] < word["time_us"] < times[-1] - 30_000_000
    site.controller.close()


def test_rollouts_are_found_by_their_id_their_model_or_as_the_newest(ended: Site) -> None:
    data = ended.controller.data
    newest = read_record(data, "").kept.state.rollout
    assert read_record(data, newest).kept.state.rollout == newest
    assert read_record(data, MODEL).kept.state.rollout == newest
    with pytest.raises(NoRecord, match=newest):
        read_record(data, "nobody")
    with pytest.raises(NoRecord, match="does not exist"):
        read_record(DataFolder(data.root / "elsewhere"), "")


def test_the_api_streams_the_same_bytes(ended: Site, whole: Path) -> None:
    for path in ("/api/v1/rollouts/bundle", f"/api/v1/rollouts/{MODEL}/bundle"):
        answer = ended.controller.call("GET", path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/zip"
        assert answer.content == whole.read_bytes()
    answer = ended.controller.call("GET", "/api/v1/rollouts/nobody/bundle")
    assert answer.status_code == 404
    assert "no rollout 'nobody'" in answer.json()["detail"]
