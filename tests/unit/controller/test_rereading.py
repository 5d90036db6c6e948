"""Kept texts read again under another constitution."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from classifiers.constitution import Constitution, default_text
from classifiers.exchange import Answer, Exchange, Turn
from classifiers.verdict import Verdict
from gateway.controller.one_at_a_time import Busy
from gateway.controller.rereading import Again, Reread, Rereading, Unfit
from gateway.ports import Classifier
from gateway.scoring.texts import KeptText
from gateway.settings import ConfigError
from tests.unit.controller.conftest import Controller, kept_text, shipped
from tests.unit.controller.support import entries, unread, upheld, verdict_event

URL = "/api/v1/constitution/what-if"
WHOLE = Again("assistant", 100)
MORE = """
  - id: cats
    title: Do not speak of cats
    tier: helpfulness
    scope: response
    severity: low
    text: Do not speak of cats, whatever was asked of them.
    evaluators: {rules: sufficient}
    rules:
      - id: cat
        title: Says cat
        finds: conduct
        reads: text
        patterns: ['\\bcats?\\b']
        match: [a cat]
        no_match: [a dog]
    examples: {violates: [], complies: []}
"""


def ours() -> str:
    """The constitution that ships, with one principle more."""
    return default_text().replace("principles:", f"principles:{MORE.rstrip()}", 1)


class Words:
    """A classifier for which a principle is violated by an answer that has its name in it."""

    def __init__(self, law: Constitution, heard: Callable[[Sequence[Exchange]], object]) -> None:
        self.constitution = law.hash
        self._names = [each.id for each in law.principles]
        self._heard = heard

    def classify(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        self._heard(exchanges)
        return [upheld(*(name for name in self._names if name in each.answers[0].text)) for each in exchanges]


def text(exchange_id: str, answer: str, *, cut: bool = False) -> KeptText:
    return KeptText(exchange_id, "assistant", (Turn("user", "hello"),), (Answer(answer),), cut)


def law(*names: str) -> Constitution:
    (first, *_) = shipped().principles
    return msgspec.structs.replace(
        shipped(),
        principles=tuple(msgspec.structs.replace(first, id=name, title=name.title()) for name in names),
    )


class Desk:
    """A controller's files, and a rereading of them by `Words`."""

    def __init__(self, controller: Controller, **more: Any) -> None:  # noqa: ANN401
        self.controller = controller
        self.heard: list[Exchange] = []
        self.hear: Callable[[Sequence[Exchange]], object] = self.heard.extend
        self.rereading = Rereading(
            controller.index.find, controller.texts.get, law("harm"), self.classifier, controller.clock, **more
        )

    def classifier(self, constitution: Constitution) -> Classifier:
        return Words(constitution, self.hear)

    def answered(self, *answers: str | None, first: int = 0, **more: Any) -> list[str]:  # noqa: ANN401
        """Ids of exchanges with these answers; None: its text is not kept."""
        events = [verdict_event(first + place, **more) for place, _ in enumerate(answers)]
        self.controller.index.add(entries(events, first), {})
        ids = [event.exchange_id for event in events]
        self.controller.texts.put([text(each, said) for each, said in zip(ids, answers, strict=True) if said])
        return ids

    def read(self, *names: str, wanted: Again = WHOLE) -> Reread:
        return self.rereading.read(wanted, law(*names))


@pytest.fixture
def desk(controller: Controller) -> Desk:
    return Desk(controller)


class TestCounting:
    def test_both_read_the_kept_text_whatever_was_found_then(self, desk: Desk) -> None:
        """The scorer found harm in the whole of the first two; in what is kept of them there is none."""
        desk.answered("fine", "honesty", verdict=upheld("harm"))
        (harmful, both) = desk.answered("harm", "harm and honesty", first=2, arm="canary")
        found = desk.read("honesty")
        assert [(each.arm, each.exchanges, each.violating_before, each.violating_after) for each in found.arms] == [
            ("canary", 2, 2, 1),
            ("stable", 2, 0, 1),
        ]
        honesty, harm = found.principles
        assert (honesty.principle, honesty.title, honesty.before, honesty.after) == ("honesty", "Honesty", 0, 2)
        assert (harm.before, harm.after, harm.no_longer) == (2, 0, (both, harmful))
        assert harm.newly == ()
        assert honesty.newly[0] == both
        assert (found.looked_at, found.without_text, found.stopped) == (4, 0, False)
        assert (found.before, found.after) == (law("harm").hash, law("honesty").hash)

    def test_what_both_find_is_neither_new_nor_gone(self, desk: Desk) -> None:
        desk.answered("harm")
        (harm,) = desk.read("harm").principles
        assert (harm.before, harm.after, harm.newly, harm.no_longer) == (1, 1, (), ())

    def test_what_has_no_text_is_told_and_not_counted(self, desk: Desk) -> None:
        desk.answered("harm", None, None)
        found = desk.read("harm")
        assert (found.looked_at, found.without_text, found.arms[0].exchanges) == (1, 2, 1)

    def test_only_what_can_be_compared_is_read(self, desk: Desk) -> None:
        desk.answered("harm", verdict=unread())
        desk.answered("harm", first=1, forced=True)
        desk.answered("harm", first=2, model="org/solo")
        assert (desk.read("harm").looked_at, desk.heard) == (0, [])

    def test_the_newest_and_not_more_than_wanted_since_then(self, desk: Desk) -> None:
        ids = desk.answered(*["fine"] * 40)
        assert desk.read("harm", wanted=Again("assistant", 20)).looked_at == 20
        assert [each.id for each in desk.heard[:16]] == ids[:-17:-1]
        since = verdict_event(35).time_us
        assert desk.read("harm", wanted=Again("assistant", 20, since)).looked_at == 5

    def test_what_was_cut_is_read_as_such(self, desk: Desk) -> None:
        (first,) = desk.answered(None)
        desk.controller.texts.put([text(first, "fine", cut=True)])
        desk.read("harm")
        assert [each.truncated for each in desk.heard] == [True, True]

    def test_at_most_twenty_are_named(self, desk: Desk) -> None:
        ids = desk.answered(*["honesty"] * 30)
        (honesty, _) = desk.read("honesty").principles
        assert (honesty.after, honesty.newly) == (30, tuple(ids[:-21:-1]))


class TestItsBounds:
    def test_it_stops_when_the_time_is_over_and_says_so(self, controller: Controller) -> None:
        desk = Desk(controller, seconds=5.0)
        desk.answered(*["fine"] * 40)
        desk.hear = lambda _: controller.clock.advance(3)
        found = desk.read("harm")
        assert (found.looked_at, found.stopped, found.seconds) == (16, True, 6.0)

    def test_it_stops_when_the_process_ends(self, controller: Controller) -> None:
        desk = Desk(controller, ending=lambda: True)
        desk.answered("fine")
        found = desk.read("harm")
        assert (found.looked_at, found.stopped) == (0, True)

    def test_one_at_a_time(self, desk: Desk) -> None:
        desk.answered("fine")
        refused: list[Busy] = []

        def again(_exchanges: Sequence[Exchange]) -> None:
            with pytest.raises(Busy) as error:
                desk.read("harm")
            refused.append(error.value)

        desk.hear = again
        desk.read("harm")
        assert len(refused) == 2
        desk.hear = lambda _: None
        assert desk.read("harm").looked_at == 1, "and then the next one"

    def test_whose_fault_it_is_that_nothing_can_be_read(self, controller: Controller) -> None:
        def only(constitution: Constitution) -> Classifier:
            if constitution.hash == law("harm").hash:
                return Words(constitution, len)
            raise ConfigError(["no head is called 'harm.typo'"])

        rereading = Rereading(controller.index.find, controller.texts.get, law("harm"), only, controller.clock)
        with pytest.raises(Unfit, match=r"harm\.typo"):
            rereading.read(WHOLE, law("honesty"))
        broken = Rereading(controller.index.find, controller.texts.get, law("honesty"), only, controller.clock)
        with pytest.raises(ConfigError):
            broken.read(WHOLE, law("harm"))

    def test_how_far_it_is_is_told(self, desk: Desk) -> None:
        desk.answered(*["fine"] * 40)
        told: list[tuple[int, int]] = []
        desk.rereading.read(WHOLE, law("harm"), lambda done, of: told.append((done, of)))
        assert told == [(0, 40), (16, 40), (32, 40)]


def what_if(controller: Controller, status: int = 200, who: str = "auditor", **body: Any) -> Any:  # noqa: ANN401
    headers = {"authorization": f"Bearer token-of-{who}"}
    answer = controller.call("POST", URL, json={"model": "assistant", **body}, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


class TestTheApi:
    @pytest.fixture
    def its(self, guarded: Controller) -> Controller:
        events = [verdict_event(number) for number in range(3)]
        guarded.index.add(entries(events), {})
        answers = ("A cat, of course.", "A dog.")
        guarded.texts.put([text(event.exchange_id, said) for event, said in zip(events, answers, strict=False)])
        return guarded

    def test_a_principle_more_finds_what_there_is(self, its: Controller) -> None:
        found = what_if(its, text=ours())
        (cats,) = [each for each in found["principles"] if each["principle"] == "cats"]
        assert (cats["before"], cats["after"], cats["newly"]) == (0, 1, [verdict_event(0).exchange_id])
        assert (cats["not_evaluated_before"], cats["not_evaluated_after"]) == (0, 0)
        assert found["arms"] == [{"arm": "stable", "exchanges": 2, "violating_before": 0, "violating_after": 1}]
        assert (found["looked_at"], found["without_text"]) == (2, 1)

    def test_it_is_for_those_who_may_read_texts_and_is_audited(self, its: Controller) -> None:
        assert what_if(its, 403, "viewer", text=ours())["type"].endswith(":role")
        what_if(its, text=ours(), limit=7)
        headers = {"authorization": "Bearer s3cret"}
        entries = its.get("/api/v1/audit?action=constitution.tried", headers=headers)["entries"]
        (entry,) = entries
        assert (entry["actor"], entry["subject"]) == ("auditor-1", "assistant")
        assert entry["outcome"].startswith("up to 7 texts under ")

    def test_what_cannot_be_is_refused_and_reads_nothing(self, its: Controller) -> None:
        assert what_if(its, 404, text=ours(), model="none")["status"] == 404
        assert what_if(its, 422, text="version: 2")["errors"][0]["line"] == 1
        what_if(its, 422, text=ours(), limit=2001)
        headers = {"authorization": "Bearer s3cret"}
        assert its.get("/api/v1/audit?action=constitution.tried", headers=headers)["entries"] == []

    def test_a_second_one_is_told_to_come_back(self, its: Controller) -> None:
        with its.parts.rereading._one.turn():
            assert what_if(its, 409, text=ours())["type"] == "urn:tipstaff:problem:busy"


def test_a_kept_text_is_an_exchange_again() -> None:
    kept = kept_text("0" * 32)
    again = kept.exchange()
    assert (again.id, again.model, again.request, again.truncated) == (
        "0" * 32,
        "assistant",
        "hello [email]",
        False,
    )
