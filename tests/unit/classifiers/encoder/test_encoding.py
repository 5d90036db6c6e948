"""How texts are laid out for the network: nothing is lost between windows, and pairs stand in order."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from classifiers.encoder.encoding import OVERLAP, Encoding, Joined, Tokens, normal
from classifiers.encoder.model import DEFAULT

ENCODING = Encoding(Tokenizer.from_file(str(DEFAULT / "tokenizer.json")))
ids = st.lists(st.integers(1000, 2000), max_size=900)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("K\u0456ll", "kill"),
        ("ki\u200bll", "kill"),
        ("\uff4b\uff49\uff4c\uff4c", "kill"),
        ("KILL", "kill"),
        ("na\u00efve", "naive"),
        ("\U0001f52a", " hocho "),
        ("\ud800", " replacement character "),
    ],
)
def test_what_looks_the_same_is_read_the_same(written: str, read: str) -> None:
    assert normal(written) == read


@given(ids, st.integers(128, 256))
def test_windows_of_a_request_hold_all_of_it_and_overlap(request: list[int], length: int) -> None:
    windows = list(ENCODING.windows(Tokens(request, None), length))
    assert all(len(each.ids) == len(each.segments) <= length for each in windows)
    parts = [list(each.ids[1:-1]) for each in windows]
    assert all(one[-OVERLAP:] == two[:OVERLAP] for one, two in pairwise(parts))
    assert parts[0] + [token for part in parts[1:] for token in part[OVERLAP:]] == request
    assert not any(any(each.segments) for each in windows)


@given(ids, ids.filter(bool), st.integers(128, 256))
def test_windows_of_an_answer_hold_all_of_it_behind_the_opening_of_its_request(
    request: list[int], answer: list[int], length: int
) -> None:
    windows = list(ENCODING.windows(Tokens(request, answer), length))
    assert all(len(each.ids) == len(each.segments) <= length for each in windows)
    parts = []
    for each in windows:
        split = list(each.segments).index(1)
        asked = list(each.ids[1 : split - 1])
        assert asked == request[: len(asked)]
        assert len(asked) == min(len(request), max(length - 3 - len(answer), (length - 3) // 3))
        parts.append(list(each.ids[split:-1]))
    assert parts[0] + [token for part in parts[1:] for token in part[OVERLAP:]] == answer


def test_a_batch_is_padded_behind_a_mask() -> None:
    short, long = (ENCODING.cut(each, 64) for each in ENCODING.tokens([("hi", None), ("hello there", "yes")]))
    joined = Joined.of([short, long])
    assert joined.ids.shape == joined.mask.shape == joined.segments.shape == (2, len(long.ids))
    assert joined.mask.sum(axis=1).tolist() == [len(short.ids), len(long.ids)]
    assert joined.ids[0, len(short.ids) :].tolist() == [0] * (len(long.ids) - len(short.ids))


def test_an_empty_text_is_one_window() -> None:
    (tokens,) = ENCODING.tokens([("", None)])
    assert [len(each.ids) for each in ENCODING.windows(tokens, 128)] == [2]


def test_a_colour_of_skin_is_not_what_a_text_is_about() -> None:
    assert normal("\U0001f44f\U0001f3fe") == normal("\U0001f44f")
