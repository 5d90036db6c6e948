"""Folding is the same for a text and its parts, and its spans lead back."""

from hypothesis import given
from hypothesis import strategies as st

from classifiers.folding import Folder, View

TRICKY = "aZé\u0301ß\u200b\u00adﬁ①\uff26\u0430İ\u202e\u2019\ud800 \n漢한🙂\U000e0061"
texts = st.one_of(st.text(max_size=60), st.text(TRICKY, max_size=60), st.text(st.characters(max_codepoint=127)))
views = st.sampled_from(View)


@given(texts, views, st.data())
def test_the_original_of_a_span_folds_to_all_of_it(source: str, view: View, data: st.DataObject) -> None:
    folder = Folder()
    folded = folder.fold(source, view)
    start = data.draw(st.integers(0, len(folded.text)))
    end = data.draw(st.integers(start, len(folded.text)))
    first, last = folded.original(start, end)
    assert 0 <= first <= last <= len(source)
    assert folded.text[start:end] in folder.fold(source[first:last], view).text
    if end > start:
        before = len(folder.fold(source[:first], view).text)
        assert before <= start
        assert len(folder.fold(source[:last], view).text) >= end
        assert len(folder.fold(source[: last - 1], view).text) < end, "one character less would do"


@given(texts, texts, views)
def test_parts_fold_as_the_whole_does(one: str, two: str, view: View) -> None:
    folder = Folder()
    assert folder.fold(one + two, view).text == folder.fold(one, view).text + folder.fold(two, view).text


@given(texts, views)
def test_folding_again_changes_nothing_and_the_result_can_be_encoded(source: str, view: View) -> None:
    folder = Folder()
    once = folder.fold(source, view).text
    assert folder.fold(once, view).text == once
    once.encode("utf-8")


@given(st.text(max_size=60), st.integers(0, 60), st.sampled_from("\u200b\u00ad\u2060\ufeff\u202e\ufe0f"))
def test_a_character_that_cannot_be_seen_changes_nothing(source: str, place: int, unseen: str) -> None:
    folder = Folder()
    for view in View:
        assert folder.fold(source[:place] + unseen + source[place:], view).text == folder.fold(source, view).text
