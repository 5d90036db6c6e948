"""Which windows are read where not all can be."""

from classifiers.encoder.encoding import Tokens
from classifiers.encoder.windows import Windows, chosen
from tests.unit.classifiers.encoder.test_encoding import ENCODING

LENGTH = 128
STEP = LENGTH - 2 - 32


def turn(windows: int) -> Tokens:
    return Tokens([7] * (STEP * windows + 32), None)


def answer(windows: int) -> Tokens:
    return Tokens([], [9] * ((LENGTH - 3 - 32) * windows + 32))


def read(turns: list[Tokens], answers: list[Tokens], most: int = 8) -> Windows:
    return chosen(ENCODING, turns, answers, LENGTH, most)


def test_everything_where_it_fits() -> None:
    found = read([turn(2), turn(1)], [answer(3)])
    assert (len(found.request), [len(each) for each in found.answers]) == (3, [3])
    assert (found.request_left, found.answers_left) == (0, [0])


def test_the_answer_comes_before_the_rest_of_a_long_request() -> None:
    found = read([turn(9), turn(4)], [answer(3)])
    assert (len(found.request), [len(each) for each in found.answers]) == (5, [3])
    assert (found.request_left, found.answers_left) == (8, [0])


def test_of_a_long_answer_what_is_left_is_told() -> None:
    found = read([turn(1)], [answer(5), answer(5)])
    assert [len(each) for each in found.answers] == [5, 2]
    assert found.answers_left == [0, 3]


def test_an_empty_answer_has_no_window() -> None:
    found = read([turn(1)], [Tokens([7], [])])
    assert (found.answers, found.answers_left) == ([[]], [0])


def test_nobody_asked() -> None:
    found = read([], [answer(1)])
    assert (found.request, len(found.answers[0])) == ([], 1)
