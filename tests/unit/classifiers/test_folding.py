"""What looks the same becomes the same, and spans lead back."""

from unicodedata import normalize

import pytest

from classifiers.folding import MAX_REMEMBERED, Folder, View


@pytest.mark.parametrize(
    ("source", "folded", "exact"),
    [
        ("Plain ASCII", "plain ascii", "Plain ASCII"),
        ("\uff26\uff55\uff4c\uff4c　\uff57\uff49\uff44\uff54\uff48", "full width", "Full width"),
        ("b\u200bo\u00adm\u2060b\ufeff", "bomb", "bomb"),
        ("café CAFE\u0301", "cafe cafe", "café CAFE\u0301"),
        ("\u0420\u0430\u0443\u0440\u0430l", "paypal", "\u0420\u0430\u0443\u0440\u0430l"),
        ("I\u2019m \u201cfine\u201d \u2014 ok", 'i\'m "fine" - ok', 'I\'m "fine" - ok'),
        ("ﬁne ① ß", "fine 1 ss", "fine 1 ß"),
        ("a\u202eb\ufe0f", "ab", "ab"),
        ("x\ud800y", "x\ufffdy", "x\ufffdy"),
        ("漢字 한글", "漢字 한글", "漢字 한글"),
    ],
)
def test_views(source: str, folded: str, exact: str) -> None:
    folder = Folder()
    assert folder.fold(source).text == normalize("NFKD", folded)
    assert folder.fold(source, View.EXACT).text == exact


def test_a_span_leads_back_to_what_was_written() -> None:
    source = "The b\u200bo\u200bm\u200bb, ﬁnally"
    folded = Folder().fold(source)
    start = folded.text.index("bomb")
    first, last = folded.original(start, start + 4)
    assert source[first:last] == "b\u200bo\u200bm\u200bb"
    start = folded.text.index("i", 8)
    first, last = folded.original(start, start + 1)
    assert source[first:last] == "ﬁ"


def test_the_table_of_characters_is_bounded() -> None:
    folder = Folder()
    for start in range(0x10000, 0x10000 + 3 * MAX_REMEMBERED, 1000):
        folder.fold("".join(map(chr, range(start, start + 1000))))
    assert all(len(table) <= MAX_REMEMBERED for table in folder._tables.values())
