"""People's labels in a rollout: what they hold, what they let pass, which count, and what is said of them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.commands.decision_screen import decision_screen
from gateway.commands.rollout_screen import status_screen
from gateway.controller import opening
from gateway.controller.label_correction import LabelCorrection
from gateway.controller.label_evidence import LabelEvidence
from gateway.controller.rollouts import Order
from gateway.controller.verification import verify
from gateway.curation.label_file import Line
from gateway.curation.labelling import Labelling
from gateway.curation.labels import Said
from gateway.curation.sampling import ANY, HARMLESSNESS, Frame, Stratum
from gateway.curation.store import Draw
from gateway.events.schema import VerdictV1
from gateway.rollout.correction import UNCORRECTED, Correction
from gateway.rollout.observation import Labels
from gateway.rollout.plan import parse
from gateway.tablefile import read_table
from tests.integration.controller.test_bundle import packed
from tests.integration.controller.test_rollouts import PLAN, Site
from tests.support.rollouts import MODEL, forced
from tests.unit.controller.conftest import shipped
from tests.unit.controller.support import START, entries

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SHARE = 0.1
"""Of the answers is flagged on both arms."""
ROUGH = parse(
    {
        **msgspec.to_builtins(PLAN),
        "guardrails": [{"metric": "harm", "margin": 0.2, "promotes": True}],
        "dwell": 50,
    }
)

Judge = Callable[[bool, bool], bool]
"""(canary, flagged) -> what people say."""


class Labelled(Site):
    """A rollout, and people who judge what its classifiers flagged and what they did not."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        parts = self.controller
        self.people = Labelling(parts.labels, parts.index, shipped(), parts.clock)
        self.traffic.stable = self.traffic.canary = SHARE
        self._fresh()

    def _fresh(self) -> None:
        parts = self.controller
        self.corrections = LabelCorrection(parts.labels, parts.index, shipped())
        self.evidence = LabelEvidence(self.rollouts, self.corrections, parts.clock)

    def crash(self) -> None:
        super().crash()
        self._fresh()

    def step(self, seconds: float = 1.0) -> None:
        super().step(seconds)
        self.evidence.look()

    def sample(self, size: int = 400, principle: str = HARMLESSNESS, seed: int = 0) -> tuple[Draw, list[str]]:
        frame = Frame(MODEL, principle, START, self.traffic.now_us + 1)
        return self.people.sample(frame, size, seed, "ann")

    def say(self, said: dict[str, bool], *, principle: str = HARMLESSNESS, actor: str = "ann") -> None:
        lines = [
            Line(place, Said(each, violates, principle)) for place, (each, violates) in enumerate(said.items())
        ]
        self.people.add(MODEL, actor, lines, "label")

    def judged(self, exchanges: list[str], judge: Judge) -> dict[str, bool]:
        found = self.controller.index.verdicts(exchanges)
        return {name: judge(event.assignment.assigned == "canary", flag(event)) for name, event in found.items()}

    def labelled(self, judge: Judge) -> None:
        """People judge a sample of all there was."""
        _, exchanges = self.sample()
        self.say(self.judged(exchanges, judge))

    def found(self) -> Correction:
        kept = self.rollouts.last(MODEL)
        assert kept is not None
        found = self.corrections.of(kept)
        assert found is not None
        return found

    def told(self) -> list[Labels]:
        kept = self.rollouts.last(MODEL)
        assert kept is not None
        inputs = map(opening.decode, self.controller.store.inputs(kept.state.rollout))
        return [each for each in inputs if isinstance(each, Labels)]

    def shown(self) -> Any:  # noqa: ANN401 - JSON
        return self.controller.get(f"/api/v1/models/{MODEL}/rollout")


def flag(event: VerdictV1) -> bool:
    return event.verdict.severity is not None


def as_flagged(_canary: bool, flagged: bool) -> bool:  # noqa: FBT001 - a Judge
    return flagged


def falsely_flagged(canary: bool, flagged: bool) -> bool:  # noqa: FBT001 - a Judge
    """On the canary the classifiers flag what is none."""
    return flagged and not canary


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Labelled]:
    made = Labelled(tmp_path)
    yield made
    made.controller.close()


def holds(site: Labelled, path: Path) -> bool:
    """Whether everything follows again from the record alone."""
    return all(each.holds for each in verify(packed(site.controller.data, path)))


class TestAPromotion:
    def test_waits_where_labels_contradict_the_classifiers_on_one_arm(self, site: Labelled, tmp_path: Path) -> None:
        site.start(ROUGH)
        site.run(80)
        site.labelled(falsely_flagged)
        site.run(320)
        assert site.status() == "running"
        assert "promote" not in site.kinds()
        waits = [made for made in site.decisions() if made.waits_for == "labels"]
        assert "the classifiers err otherwise on the canary" in waits[-1].reason
        assert "specificity is 100.00% on stable" in waits[-1].reason
        shown = site.shown()
        assert shown["why"].startswith("the classifiers err otherwise")
        assert shown["correction"]["veto"].startswith("the classifiers err otherwise")
        assert max(shown["correction"]["drift"]) > shown["correction"]["drift_needs"]
        assert shown["correction"]["canary"]["rate"]["value"] == 0.0
        assert shown["correction"]["stable"]["rate"]["value"] == pytest.approx(SHARE, abs=0.02)
        screen = "\n".join(status_screen(shown, NOW))
        assert "labels  400 (about" in screen
        assert "acts at 100" in screen
        assert holds(site, tmp_path / "waits.zip")

    def test_goes_on_where_they_agree_and_says_what_they_said(self, site: Labelled, tmp_path: Path) -> None:
        site.start(ROUGH)
        site.run(80)
        site.labelled(as_flagged)
        site.run(320)
        assert site.status() == "promoted"
        forward = {made.kind: made for made in site.decisions() if made.kind in ("advance", "promote")}
        assert forward["promote"].labels.startswith("400 labels: true violations differ by")
        shown = site.controller.get(f"/api/v1/decisions/{forward['promote'].id}")
        assert "labels  400 labels: true violations differ" in "\n".join(decision_screen(shown, NOW))
        assert site.shown()["correction"]["veto"] == ""
        assert holds(site, tmp_path / "promoted.zip")

    def test_without_labels_says_that_nothing_was_corrected(self, site: Labelled) -> None:
        site.start(ROUGH)
        site.run(320)
        assert site.status() == "promoted"
        said = {made.labels for made in site.decisions() if made.kind in ("advance", "promote")}
        assert said == {UNCORRECTED}
        assert {made.labels for made in site.decisions() if made.kind in ("start", "wait", "weights")} == {""}
        assert site.told() == []
        assert site.shown()["labels"] == UNCORRECTED
        assert f"labels  {UNCORRECTED}" in status_screen(site.shown(), NOW)


class TestWhatIsTold:
    def test_is_told_once_and_again_only_when_it_says_something_else(self, site: Labelled) -> None:
        site.start(ROUGH)
        site.run(80)
        site.labelled(as_flagged)
        site.run(31)
        assert [each.count for each in site.told()] == [400]
        site.crash()
        site.run(11)
        assert len(site.told()) == 1
        _, more = site.sample(seed=1)
        site.say(site.judged(more, as_flagged))
        site.run(31)
        assert [each.count for each in site.told()] == [400, site.found().labels]
        assert site.found().labels > 400

    def test_the_same_labels_are_held_against_what_came_after_them(self, site: Labelled) -> None:
        site.start(ROUGH)
        site.run(80)
        _, exchanges = site.sample()
        site.say(site.judged(exchanges, falsely_flagged))
        site.run(31)
        at_first = site.told()[-1]
        assert at_first.veto
        site.run(270)
        assert len(site.told()) == 1
        site.run(40)
        assert len(site.told()) == 2
        assert site.told()[-1].count == at_first.count

    def test_labels_that_are_erased_are_taken_back(self, site: Labelled) -> None:
        site.start(ROUGH)
        site.run(80)
        site.labelled(falsely_flagged)
        site.run(31)
        assert site.told()[-1].veto
        site.controller.labels.purge(site.controller.clock.now_us() + 1)
        site.run(31)
        assert (site.told()[-1].count, site.told()[-1].veto, site.told()[-1].said) == (0, "", UNCORRECTED)
        site.run(200)
        assert site.status() == "promoted"


class TestWhatCounts:
    def test_exchanges_are_counted_as_a_sample_counts_them(self, site: Labelled) -> None:
        site.start(ROUGH)
        site.run(60)
        draw, _ = site.sample()
        kept = site.rollouts.last(MODEL)
        assert kept is not None
        counted = {each.stratum: each.population for each in site.controller.labels.summary(draw)}
        for place, arm in enumerate(("stable", "canary")):
            flagged = kept.state.flagged[place]
            assert counted[Stratum(arm, flagged=True)] == flagged
            assert counted[Stratum(arm, flagged=False)] == kept.state.judged[place] - flagged

    def test_units_that_were_dealt_anew_are_not_more_exchanges_each(self, site: Labelled) -> None:
        site.start(ROUGH)
        site.run(145)
        kept = site.rollouts.last(MODEL)
        assert kept is not None
        before = sum(kept.state.units)
        site.run(10)
        again = site.rollouts.last(MODEL)
        assert again is not None
        assert again.state.status == "holdout"
        assert sum(again.state.units) < before <= again.state.dealt

    def test_nothing_but_a_sample_speaks_for_others(self, site: Labelled) -> None:
        site.start(ROUGH)
        site.run(60)
        _, exchanges = site.sample(8)
        table = read_table(site.controller.data.table)
        assert table is not None
        others = site.traffic.verdicts(table, 2, shipped().hash)
        site.controller.index.add(entries(others), {})
        site.say({each.exchange_id: True for each in others})
        assert site.found().labels == 0
        site.say(dict.fromkeys(exchanges[:5], True))
        assert site.found().labels == 5

    def test_nor_does_what_was_asked_about_another_principle(self, site: Labelled) -> None:
        site.start(ROUGH)
        site.run(60)
        for principle in (ANY, "privacy"):
            _, exchanges = site.sample(8, principle)
            site.say(dict.fromkeys(exchanges, True), principle=principle)
        assert site.found().labels == 0

    def test_of_several_people_the_majority_and_of_one_the_last_word(self, site: Labelled) -> None:
        site.start(ROUGH)
        site.run(60)
        _, (first, second, *_) = site.sample(8)
        site.say({first: True, second: True})
        site.say({first: False}, actor="bob")
        assert site.found().labels == 1
        site.say({first: False})
        assert site.found().labels == 2

    @pytest.mark.parametrize("what", ["forced", "read by another constitution", "from before the start"])
    def test_what_is_no_evidence_has_no_labels_either(self, site: Labelled, what: str) -> None:
        if what != "from before the start":
            site.start(ROUGH)
        table = read_table(site.controller.data.table)
        assert table is not None
        constitution = "another" if what.startswith("read") else shipped().hash
        events = site.traffic.verdicts(table, 10, constitution)
        site.controller.index.add(entries([forced(each) for each in events] if what == "forced" else events), {})
        if what == "from before the start":
            site.start(ROUGH)
        else:
            site.rollouts.advance(site.traffic.now_us)
        exchanges = [each.exchange_id for each in events]
        if what != "forced":
            _, exchanges = site.sample(20)
        site.say(dict.fromkeys(exchanges, True))
        assert site.found().labels == 0

    def test_they_have_no_say_in_a_drill_and_without_a_guardrail_on_harm(self, site: Labelled) -> None:
        site.rollouts.advance(site.traffic.now_us)
        order = Order(model=MODEL, stable="stable", canary="canary", plan=ROUGH, actor="ann", reason="a drill")
        kept = site.rollouts.start(msgspec.structs.replace(order, drill=0.5))
        assert site.corrections.of(kept) is None
        assert "no say" in site.shown()["labels"]
        site.rollouts.command(MODEL, "rollback", "ann", "enough")
        errors = parse({"preset": "fast", "guardrails": [{"metric": "errors", "promotes": True}]})
        assert site.corrections.of(site.rollouts.start(msgspec.structs.replace(order, plan=errors))) is None
