"""The constitutions that were in force, by the store and by the admin API; and comparing them."""

from typing import Any

import msgspec
import pytest

from classifiers.constitution import Constitution, default_text, loads
from gateway.controller.constitutions import Changed, Constitutions
from gateway.controller.recovery import open_state
from gateway.controller.routers import constitution as routers_constitution
from gateway.ports import StaleHead
from tests.unit.controller.conftest import Controller, shipped
from tests.unit.controller.support import START

URL = "/api/v1/constitution"


def without_one() -> Constitution:
    law = shipped()
    return msgspec.structs.replace(law, title="Fewer", principles=law.principles[1:])


def after_another(controller: Controller, law: Constitution) -> Constitutions:
    """As a controller that starts with `law` an hour later."""
    controller.clock.advance(3600)
    kept = Constitutions(controller.store, law)
    kept.note(controller.clock.now_us())
    return kept


class TestTheRecord:
    def test_each_is_kept_once_whole_and_in_order(self, controller: Controller) -> None:
        law, other = shipped(), without_one()
        after_another(controller, other)
        kept = after_another(controller, law)
        newest, oldest = kept.versions()
        assert (oldest.hash, oldest.since_us, oldest.changed) == (law.hash, START, None)
        assert (newest.hash, newest.title, newest.principles) == (other.hash, "Fewer", len(other.principles))
        assert (newest.since_us, newest.changed) == (START + 3_600_000_000, Changed(0, 1, 0))
        assert kept.get(other.hash) == other
        assert kept.get("0" * 64) is None

    def test_what_is_kept_has_the_hash_that_it_is_kept_under(self, controller: Controller) -> None:
        kept = after_another(controller, without_one())
        found = kept.get(shipped().hash)
        assert found is not None
        assert (found.hash, found) == (shipped().hash, shipped())

    def test_one_that_a_later_version_wrote_hinders_no_start(self, controller: Controller) -> None:
        controller.store.keep(f"constitution {shipped().hash}", b'{"version": 2}')
        kept = after_another(controller, without_one())
        newest, _ = kept.versions()
        assert (newest.hash, newest.changed) == (without_one().hash, None)

    def test_whoever_was_fenced_changes_nothing(self, controller: Controller) -> None:
        other = open_state(controller.data, controller.clock)
        with pytest.raises(StaleHead):
            after_another(controller, without_one())
        assert [each.hash for each in Constitutions(other, shipped()).versions()] == [shipped().hash]
        other.close()

    def test_a_list_that_names_one_can_show_it(
        self, controller: Controller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The power goes between the two writes: the next start does both."""
        done: list[str] = []

        def keep_one(name: str, value: bytes) -> None:
            if done:
                raise OSError("the power is gone")
            done.append(name)
            keep(name, value)

        keep = controller.store.keep
        monkeypatch.setattr(controller.store, "keep", keep_one)
        with pytest.raises(OSError, match="power"):
            after_another(controller, without_one())
        monkeypatch.undo()
        assert len(controller.parts.constitutions.versions()) == 1
        assert len(after_another(controller, without_one()).versions()) == 2


class TestTheApi:
    def test_the_one_in_force_says_what_reads_it(self, controller: Controller) -> None:
        found = controller.get(URL)
        assert found["hash"] == shipped().hash
        shown = {each["id"]: each for tier in found["tiers"] for each in tier["principles"]}
        for principle in shipped().principles:
            one = shown[principle.id]
            assert one["heads"] == list(principle.heads)
            assert one["examples"]["complies"] == len(principle.examples.complies) >= 2
        assert any("." in rule for one in shown.values() for rule in one["rules"])

    def test_versions_are_listed_and_each_is_shown_whole(self, controller: Controller) -> None:
        other = without_one()
        after_another(controller, other)
        newest, oldest = controller.get(f"{URL}/versions")["versions"]
        assert (newest["hash"], newest["in_force"], oldest["in_force"]) == (other.hash, False, True)
        assert newest["changed"] == {"added": 0, "removed": 1, "changed": 0}
        shown = controller.get(f"{URL}/versions/{other.hash}")
        assert (shown["title"], shown["hash"]) == ("Fewer", other.hash)
        assert controller.get(f"{URL}/versions/{oldest['hash']}") == controller.get(URL)
        assert controller.call("GET", f"{URL}/versions/{'0' * 64}").status_code == 404
        assert controller.call("GET", f"{URL}/versions/c0ffee").status_code == 422


def diff(controller: Controller, status: int = 200, **body: Any) -> Any:  # noqa: ANN401 - JSON
    answer = controller.call("POST", f"{URL}/diff", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


class TestComparing:
    def test_a_file_with_the_one_in_force(self, controller: Controller) -> None:
        found = diff(controller, text=default_text().replace("severity: high", "severity: low", 1))
        (changed,) = found["principles"]
        assert (changed["change"], changed["fields"]) == (
            "changed",
            [{"field": "severity", "before": "high", "after": "low"}],
        )
        assert (found["before"], found["same"], found["others"]) == (shipped().hash, False, [])
        assert diff(controller, text=f"# a comment\n{default_text()}")["same"] is True

    def test_two_that_were_in_force(self, controller: Controller) -> None:
        other = without_one()
        after_another(controller, other)
        found = diff(controller, before=other.hash, after=shipped().hash)
        assert [each["change"] for each in found["principles"]] == ["added"]
        assert (found["before"], found["after"]) == (other.hash, shipped().hash)
        assert [each["field"] for each in found["others"]] == ["title"]

    def test_a_bad_file_is_refused_with_every_line(self, controller: Controller) -> None:
        text = default_text().replace("tier: harmlessness", "tier: harmless", 1) + "\nextra: 1\n"
        refused = diff(controller, 422, text=text)
        first, last = refused["errors"]
        assert refused["type"] == "urn:tipstaff:problem:constitution"
        assert text.splitlines()[first["line"] - 1].strip() == "tier: harmless"
        assert (first["pointer"], first["key"]) == ("#/body/text", "principles[0].tier")
        assert text.splitlines()[last["line"] - 1] == "extra: 1"

    def test_many_errors_are_a_hundred(self, controller: Controller) -> None:
        text = default_text() + "".join(f"\nextra{number}: 1" for number in range(300))
        assert len(diff(controller, 422, text=text)["errors"]) == 100

    @pytest.mark.parametrize("body", [{}, {"text": "x", "after": "0" * 64}, {"after": "c0ffee"}])
    def test_one_of_file_and_hash_is_given(self, controller: Controller, body: dict[str, str]) -> None:
        assert diff(controller, 422, **body)["type"] == "urn:tipstaff:problem:invalid"

    def test_one_file_at_a_time_is_read(self, controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
        """A viewer may ask, and a file of the largest size takes seconds: forty at once would take all threads."""
        refused: list[str] = []

        def slow(text: str) -> Constitution:
            monkeypatch.undo()
            for path, more in (("diff", {}), ("what-if", {"model": "assistant"})):
                answer = controller.call("POST", f"{URL}/{path}", json={"text": text, **more})
                assert answer.status_code == 409, answer.text
                refused.append(answer.json()["type"])
            return loads(text)

        monkeypatch.setattr(routers_constitution, "loads", slow)
        assert diff(controller, text=default_text())["same"] is True
        assert refused == ["urn:tipstaff:problem:busy"] * 2
        assert diff(controller, text=default_text())["same"] is True

    def test_a_hash_that_was_never_in_force(self, controller: Controller) -> None:
        assert diff(controller, 404, before="0" * 64, text=default_text())["status"] == 404
        assert diff(controller, 404, after="0" * 64)["status"] == 404
