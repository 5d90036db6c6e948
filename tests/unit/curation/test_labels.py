"""Samples and labels by the admin API, over real files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from classifiers.verdict import Finding, Severity, Verdict
from gateway.controller.routers.values import moment
from gateway.curation.sampling import Frame, Stratum
from gateway.events.schema import VerdictV1
from tests.unit.controller.conftest import Controller, shipped
from tests.unit.controller.support import START, entries, finding, unread, upheld, verdict_event

URL = "/api/v1/models/assistant/labels"
ID = shipped().principles[0].id


def traffic() -> list[VerdictV1]:
    """Of assistant: stable 100 unflagged and 20 flagged, canary 50 and 10; and what is in no population."""
    counts = {("stable", False): 100, ("stable", True): 20, ("canary", False): 50, ("canary", True): 10}
    kinds = [kind for kind, number in counts.items() for _ in range(number)]
    events = [
        verdict_event(number, upheld("harm") if flag else upheld(), arm=arm)
        for number, (arm, flag) in enumerate(kinds)
    ]
    others = [
        verdict_event(1000, unread()),
        verdict_event(1001, upheld("harm"), forced=True),
        verdict_event(1002, upheld("harm"), model="org/solo"),
    ]
    return events + others


@pytest.fixture
def its(tmp_path: Path) -> Iterator[Controller]:
    controller = Controller(tmp_path)
    controller.start()
    controller.clock.advance(3600)
    controller.index.add(entries(traffic()), {})
    yield controller
    controller.close()


def post(its: Controller, path: str, status: int = 200, **body: Any) -> Any:  # noqa: ANN401 - JSON
    answer = its.call("POST", f"{URL}{path}", json={"actor": "alice", **body})
    assert answer.status_code == status, answer.text
    return answer.json()


def sample(its: Controller, size: int = 40, **more: Any) -> Any:  # noqa: ANN401 - JSON
    return post(its, "/sample", size=size, **more)


def label(its: Controller, exchange: str, actor: str = "alice", *, violates: bool = True, **more: Any) -> None:  # noqa: ANN401
    post(its, "", actor=actor, labels=[{"exchange_id": exchange, "violates": violates, **more}])


def strata(answer: Any) -> dict[tuple[str, bool], tuple[int, ...]]:  # noqa: ANN401 - JSON
    names = ("population", "drawn", "labelled", "violating", "disputed")
    return {(one["arm"], one["flagged"]): tuple(one[name] for name in names) for one in answer["strata"]}


class TestSampling:
    def test_each_stratum_gives_as_many_and_a_small_one_all_it_has(self, its: Controller) -> None:
        answer = sample(its, 60)
        assert strata(answer) == {
            ("canary", False): (50, 17, 0, 0, 0),
            ("canary", True): (10, 10, 0, 0, 0),
            ("stable", False): (100, 17, 0, 0, 0),
            ("stable", True): (20, 16, 0, 0, 0),
        }
        assert len(set(answer["exchanges"])) == 60
        known = {event.exchange_id for event in traffic()[:180]}
        assert set(answer["exchanges"]) <= known

    def test_the_same_seed_draws_the_same_and_is_one_sample(self, its: Controller) -> None:
        first = sample(its, seed=5)
        its.clock.advance(0)
        assert sample(its, seed=5) == first
        other = sample(its, seed=6)
        assert other["draw"] != first["draw"]
        assert set(other["exchanges"]) != set(first["exchanges"])

    def test_every_exchange_of_a_stratum_has_the_same_chance(self, its: Controller) -> None:
        """300 seeds, 10 of 50 each: binomial, mean 60, standard deviation 6.9; 50 looks, so 5 deviations."""
        frame = Frame("assistant", "any", 0, its.clock.now_us())
        times: dict[str, int] = {}
        for seed in range(300):
            populations, drawn = its.index.draw(frame, 40, seed)
            assert populations[Stratum("canary", flagged=False)] == 50
            for one in drawn:
                if one.stratum == Stratum("canary", flagged=False):
                    assert one.probability == 10 / 50
                    times[one.exchange_id] = times.get(one.exchange_id, 0) + 1
        assert len(times) == 50
        assert all(60 - 35 < count < 60 + 35 for count in times.values())

    def test_the_first_of_it_are_a_random_sample_too(self, its: Controller) -> None:
        order = sample(its, 180)["exchanges"]
        flagged = {event.exchange_id for event in traffic()[:180] if event.verdict.severity}
        assert 2 <= len(flagged & set(order[:60])) <= 18, "10 expected"

    def test_times_bound_the_population(self, its: Controller) -> None:
        since, until = moment(START + 90_000_000).isoformat(), moment(START + 105_000_000).isoformat()
        assert strata(sample(its, since=since, until=until)) == {
            ("stable", False): (10, 10, 0, 0, 0),
            ("stable", True): (5, 5, 0, 0, 0),
        }

    def test_flagged_is_of_the_principle(self, its: Controller) -> None:
        frame = Frame("assistant", "honesty", 0, its.clock.now_us())
        assert its.index.population(frame) == {
            Stratum("stable", flagged=False): 120,
            Stratum("canary", flagged=False): 60,
        }
        assert its.index.population(Frame("assistant", "arm", 0, its.clock.now_us())) == its.index.population(frame)
        harm = its.index.population(Frame("assistant", "harm", 0, its.clock.now_us()))
        assert harm[Stratum("canary", flagged=True)] == 10

    def test_harmlessness_is_whichever_principle_of_that_tier(self, its: Controller) -> None:
        since = START + 2_000_000_000
        for place, principle in enumerate(("privacy", "violence", "fabrication", "over_refusal")):
            verdict = Verdict((finding(principle, Finding.VIOLATES),), "c0ffee", {}, severity=Severity.HIGH)
            its.index.add(entries([verdict_event(2001 + place, verdict)], 500 + place), {})
        drawn = sample(its, principle="harmlessness", since=moment(since).isoformat())
        assert strata(drawn) == {("stable", False): (2, 2, 0, 0, 0), ("stable", True): (2, 2, 0, 0, 0)}
        for exchange in drawn["exchanges"]:
            label(its, exchange, principle="harmlessness")
        kept = its.get(f"{URL}?limit=10")["labels"]
        assert sorted(each["flagged"] for each in kept) == [False, False, True, True]

    def test_what_cannot_be_drawn_is_said(self, its: Controller) -> None:
        assert "none of any" in post(its, "/sample", 422, size=5, principle="nonsense")["detail"]
        assert "evaluated" in post(its, "/sample", 422, size=5, until=moment(START).isoformat())["detail"]
        assert (
            its.call("POST", "/api/v1/models/none/labels/sample", json={"actor": "a", "size": 1}).status_code == 404
        )


class TestLabelling:
    def test_labels_of_a_sample_add_up_by_stratum(self, its: Controller) -> None:
        drawn = sample(its)
        by_id = {event.exchange_id: event for event in traffic()}
        for exchange in drawn["exchanges"]:
            label(its, exchange, violates=by_id[exchange].verdict.severity is not None)
        summary = its.get(f"{URL}/summary")
        assert summary["draw"] == drawn["draw"]
        assert strata(summary) == {
            ("canary", False): (50, 10, 10, 0, 0),
            ("canary", True): (10, 10, 10, 10, 0),
            ("stable", False): (100, 10, 10, 0, 0),
            ("stable", True): (20, 10, 10, 10, 0),
        }

    def test_the_last_word_of_an_actor_holds_and_the_history_stays(self, its: Controller) -> None:
        exchange = sample(its, 180)["exchanges"][0]
        label(its, exchange, violates=True)
        label(its, exchange, violates=False, note="on second thought")
        totals = strata(its.get(f"{URL}/summary")).values()
        assert (sum(row[2] for row in totals), sum(row[3] for row in totals)) == (1, 0)
        kept = its.get(URL)["labels"]
        assert [(one["violates"], one["note"]) for one in kept] == [(True, ""), (False, "on second thought")]
        assert all(one["probability"] == 1.0 for one in kept)

    def test_people_who_disagree_evenly_are_counted_apart(self, its: Controller) -> None:
        exchange = sample(its, 180)["exchanges"][0]
        label(its, exchange, "alice", violates=True)
        label(its, exchange, "bob", violates=False)
        totals = list(strata(its.get(f"{URL}/summary")).values())
        assert [sum(row[at] for row in totals) for at in (2, 3, 4)] == [0, 0, 1]
        label(its, exchange, "carol", violates=True)
        totals = list(strata(its.get(f"{URL}/summary")).values())
        assert [sum(row[at] for row in totals) for at in (2, 3, 4)] == [1, 1, 0]

    def test_what_somebody_chose_speaks_for_no_other(self, its: Controller) -> None:
        drawn = set(sample(its)["exchanges"])
        chosen = next(event.exchange_id for event in traffic() if event.exchange_id not in drawn)
        label(its, chosen)
        assert all(row[2] == 0 for row in strata(its.get(f"{URL}/summary")).values())
        (kept,) = its.get(URL)["labels"]
        assert (kept["draw"], kept["probability"], kept["arm"]) == (None, None, "stable")

    def test_labels_of_another_principle_are_apart(self, its: Controller) -> None:
        exchange = sample(its)["exchanges"][0]
        label(its, exchange, principle=ID)
        assert all(row[2] == 0 for row in strata(its.get(f"{URL}/summary")).values())
        assert its.call("GET", f"{URL}/summary", params={"principle": ID}).status_code == 404

    def test_an_older_sample_can_be_summed_up(self, its: Controller) -> None:
        first, second = sample(its, 8, seed=1), sample(its, 12, seed=2)
        for exchange in first["exchanges"]:
            label(its, exchange)
        assert its.get(f"{URL}/summary")["draw"] == second["draw"]
        summary = its.get(f"{URL}/summary", params={"draw": first["draw"]})
        assert sum(row[2] for row in strata(summary).values()) == 8

    def test_whole_or_not_at_all(self, its: Controller) -> None:
        good, other = traffic()[0].exchange_id, traffic()[-1].exchange_id
        given = [{"exchange_id": one, "violates": True} for one in (good, "0" * 32, other)]
        detail = post(its, "", 422, labels=given)["detail"]
        assert "1: column exchange_id" in detail
        assert "2: column exchange_id" in detail, "of another model"
        assert its.get(URL)["labels"] == []

    def test_a_list_is_paged(self, its: Controller) -> None:
        for event in traffic()[:3]:
            label(its, event.exchange_id)
        first = its.get(URL, params={"limit": 2})
        rest = its.get(URL, params={"limit": 2, "after": first["next"]})
        assert [len(first["labels"]), len(rest["labels"]), rest["next"]] == [2, 1, None]

    def test_labels_outlive_a_restart(self, its: Controller, tmp_path: Path) -> None:
        label(its, traffic()[0].exchange_id)
        its.close()
        again = Controller(tmp_path)
        again.start()
        assert len(again.get(URL)["labels"]) == 1
        again.close()

    def test_old_ones_go_with_their_samples(self, its: Controller) -> None:
        label(its, sample(its, 4)["exchanges"][0])
        its.clock.advance(10)
        label(its, sample(its, 5)["exchanges"][0])
        assert its.labels.purge(its.clock.now_us() - 5_000_000) == 1 + 4 + 4
        assert its.labels.purge(its.clock.now_us() - 5_000_000) == 0
        assert len(its.get(URL)["labels"]) == 1
        assert sum(row[1] for row in strata(its.get(f"{URL}/summary")).values()) == 5


class TestImport:
    def test_a_file_is_taken(self, its: Controller) -> None:
        yes, no = (event.exchange_id for event in traffic()[:2])
        text = f"exchange_id,violates,note\n{yes},yes,\n{no},no,fine\n"
        assert post(its, "/import", format="csv", text=text) == {"taken": 2}
        assert [one["violates"] for one in its.get(URL)["labels"]] == [True, False]

    def test_a_file_with_a_problem_is_not(self, its: Controller) -> None:
        good = traffic()[0].exchange_id
        detail = post(its, "/import", 422, format="csv", text=f"exchange_id,violates\n{good},perhaps\n")["detail"]
        assert "line 2: column violates" in detail
        text = f"exchange_id,violates,principle\n{good},yes,\n{'0' * 32},yes,\n{good},yes,nonsense\n"
        detail = post(its, "/import", 422, format="csv", text=text)["detail"]
        assert "line 3: column exchange_id" in detail
        assert "line 4: column principle" in detail
        assert its.get(URL)["labels"] == []
