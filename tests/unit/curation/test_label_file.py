import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.curation import label_file
from gateway.curation.label_file import LabelFileError, Line, read
from gateway.curation.labels import Said

X, Y = "0" * 31 + "a", "0" * 31 + "b"


def test_json_lines() -> None:
    text = f'{{"exchange_id":"{X}","violates":true}}\n\n' + json.dumps(
        {"exchange_id": Y, "violates": False, "principle": "harm", "note": "two\nlines"}
    )
    assert read(text, "jsonl") == [
        Line(1, Said(X, violates=True)),
        Line(3, Said(Y, violates=False, principle="harm", note="two\nlines")),
    ]


def test_csv_with_columns_in_any_order() -> None:
    text = f'\ufeffviolates,note,exchange_id,principle\r\nYes,"two\nlines, quoted",{X},\r\n0,,{Y},harm\r\n'
    assert read(text, "csv") == [
        Line(2, Said(X, violates=True, note="two\nlines, quoted")),
        Line(4, Said(Y, violates=False, principle="harm")),
    ]


def test_what_nobody_has_labelled_yet_is_passed_over() -> None:
    assert read(f"exchange_id,violates\n{X},\n{Y},no\n", "csv") == [Line(3, Said(Y, violates=False))]
    assert read(f'{{"exchange_id":"{X}","violates":null}}', "jsonl") == []


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("csv", "", ["line 1", "exchange_id, violates"]),
        ("csv", "exchange_id\n", ["line 1", "expected exchange_id, violates"]),
        ("csv", "exchange_id,violates,vote\n", ["line 1", "vote"]),
        ("csv", "exchange_id,violates,violates\n", ["line 1"]),
        ("csv", f"exchange_id,violates\n{X},maybe\n", ["line 2", "column violates", "'maybe'"]),
        ("csv", f"exchange_id,violates\n{X},yes\nnope,yes\n", ["line 3", "column exchange_id"]),
        ("csv", f"exchange_id,violates\n{X},yes,more\n", ["line 2", "3 columns, expected 2"]),
        ("csv", f'exchange_id,violates\n{X},"yes\n', ["line 2"]),
        ("csv", f"exchange_id,violates,note\n{X},yes,{'x' * 2001}\n", ["line 2", "column note"]),
        ("jsonl", f'{{"exchange_id":"{X}","violates":true}}\n{{"exchange_id":"{X}"', ["line 2"]),
        ("jsonl", f'{{"exchange_id":"{X}","violates":"yes"}}', ["line 1", "violates"]),
        ("jsonl", f'{{"exchange_id":"{X}"}}', ["line 1", "violates"]),
        ("jsonl", f'{{"exchange_id":"{X}","violates":true,"vote":1}}', ["line 1", "vote"]),
        ("jsonl", '{"exchange_id":"x","violates":true}', ["line 1", "exchange_id"]),
        ("jsonl", "x\n" * 25, ["line 1:", "line 20:", "and 5 more"]),
    ],
)
def test_every_problem_has_its_line_and_column(kind: label_file.Format, text: str, words: list[str]) -> None:
    with pytest.raises(LabelFileError) as caught:
        read(text, kind)
    for word in words:
        assert word in str(caught.value)


def test_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_file, "MOST", 1)
    with pytest.raises(LabelFileError, match="2 labels, at most 1"):
        read(f"exchange_id,violates\n{X},yes\n{Y},no\n", "csv")


@given(st.sampled_from(["csv", "jsonl"]), st.text())
def test_any_text_is_read_or_refused(kind: label_file.Format, text: str) -> None:
    with suppress(LabelFileError):
        assert all(line.number > 0 for line in read(text, kind))
