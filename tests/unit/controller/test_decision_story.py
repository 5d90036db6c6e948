"""A decision's story needs no more than what `back_to` reads, wherever the decision stands."""

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from gateway.controller.decision_story import back_to, of_rollout, story
from gateway.core.evidence import DecisionKind
from gateway.events.schema import DecisionV1, WeightChanged
from gateway.ports import StateStore


class Kept:
    """In the place of a store: decisions, oldest first; `read`: how many were given."""

    def __init__(self, decisions: list[DecisionV1]) -> None:
        self.all = list(enumerate(decisions, 1))
        self.read = 0

    def newest_decisions(self, before: int, limit: int) -> list[tuple[int, DecisionV1]]:
        found = [each for each in reversed(self.all) if each[0] < before][:limit]
        self.read += len(found)
        return found

    @property
    def store(self) -> StateStore:
        return cast("StateStore", self)


def decision(place: int, model: str, kind: DecisionKind, rollout: str, *, moves: bool) -> DecisionV1:
    after = {"canary": place / 1000 if moves else 0.0}
    return DecisionV1(
        id=f"d{place}",
        time_us=place,
        model=model,
        decided_by="decision",
        actor="tipstaff",
        reason="because",
        weights=WeightChanged({"canary": 0.0}, after),
        table_version=place,
        previous="",
        kind=kind,
        rollout=rollout,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[DecisionV1]:
    """Of two models; a rollout begins with its start, and some of its decisions move nothing."""
    made: list[DecisionV1] = []
    going: dict[str, str] = {}
    for place in range(1, draw(st.integers(1, 40)) + 1):
        model = draw(st.sampled_from(("a", "b")))
        kind: DecisionKind = draw(st.sampled_from(("start", "wait", "advance", "weights")))
        if kind == "start":
            going[model] = f"{model}-{place}"
        rollout = "" if kind == "weights" else going.get(model, "")
        made.append(decision(place, model, kind, rollout, moves=draw(st.booleans())))
    return made


@given(histories(), st.data())
def test_every_story_is_the_same_as_with_all_of_them(made: list[DecisionV1], data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(made))
    of_model = [each for each in made if each.model == chosen.model]
    read = [each for _, each in back_to(Kept(made).store, chosen.id) if each.model == chosen.model]
    assert story(chosen, read, None) == story(chosen, of_model, None)


@given(histories())
def test_a_rollouts_own_are_all_of_them(made: list[DecisionV1]) -> None:
    for rollout in {each.rollout for each in made if each.rollout}:
        model = rollout.partition("-")[0]
        found = [each for _, each in of_rollout(Kept(made).store, model, rollout)]
        assert found == [each for each in made if each.rollout == rollout]


def test_what_is_new_is_found_without_reading_all() -> None:
    made = [decision(place, "a", "weights", "", moves=True) for place in range(1, 1001)]
    kept = Kept(made)
    assert [each.id for _, each in back_to(kept.store, "d1000")] == ["d999", "d1000"]
    assert kept.read <= 100
    assert len(back_to(kept.store, "none")) == 1000
