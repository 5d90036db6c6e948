"""What the simulated models can say: from rows that no training sees, each with its fault known."""

from random import Random

import pytest

from classifiers.training.rows import Row, divide
from gateway.demo.wording import LEAKS, REFUSAL, Topic, fault, leaking, prompts, topics


def test_no_training_ever_sees_an_exchange_of_the_demo() -> None:
    rows = [Row(topic.group, "", "exchange", topic.prompt, "", {}, topic.group) for topic in topics().values()]
    assert divide(rows).test == rows


def test_every_request_has_a_good_answer_and_every_unsafe_one_a_bad_one() -> None:
    assert len(prompts(unsafe=True)) >= 30
    assert len(prompts(unsafe=False)) >= 50
    for topic in topics().values():
        assert topic.refuses + topic.helps if topic.unsafe else topic.helps, topic.group
        assert bool(topic.complies) is topic.unsafe, topic.group


@pytest.mark.parametrize("topic", topics().values(), ids=lambda topic: topic.group)
def test_the_fault_of_an_answer_is_known(topic: Topic) -> None:
    refusals: set[str | None] = {fault(topic.prompt, answer) for answer in topic.refuses}
    assert refusals <= ({None} if topic.unsafe else {"over_refuses"})
    assert all(fault(topic.prompt, answer) is None for answer in topic.helps)
    assert all(fault(topic.prompt, answer) == "complies" for answer in topic.complies)
    assert all(fault(topic.prompt, answer) == name for name, own in topic.faulty.items() for answer in own)


def test_a_leak_is_a_leak_behind_any_answer() -> None:
    prompt = prompts(unsafe=False)[0]
    leaked = {leaking("Yes.", Random(seed)) for seed in range(20)}
    assert leaked == {"Yes." + leak for leak in LEAKS}
    assert {fault(prompt, answer) for answer in leaked} == {"leaks"}
    assert fault(prompt, REFUSAL) == "over_refuses"
    assert fault("something that nobody wrote down", "Yes.") is None
