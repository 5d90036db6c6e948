"""Training from rows to a model folder, and a head that is added to it: with real torch, on a small sample."""

import json
from pathlib import Path

import pytest

from classifiers.encoder.heads import HEADS
from classifiers.encoder.model import load, read_sample
from tests.support import labelled
from tests.support.components import ComponentUse, requires
from tests.support.trainer import TIPSTAFF, run


def tipstaff(components: ComponentUse, *words: object) -> str:
    """A command in the environment that has torch."""
    done = run(components, TIPSTAFF, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@requires("trainer")
def test_rows_become_a_model_that_this_machine_runs_and_a_head_is_added(
    components: ComponentUse, tmp_path: Path
) -> None:
    rows = labelled.write(tmp_path / "rows")
    said = tipstaff(components, "train", rows, "--out", tmp_path / "model", "--epochs", 12, "--seed", 3)
    assert "MODEL_CARD.md" in said
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_bytes())
    assert metrics["settings"]["epochs"] == 12
    refusal = next(each for each in metrics["test"] if (each["head"], each["source"]) == ("refusal", "all"))
    assert refusal["positives"] + refusal["negatives"] > 5
    assert refusal["auroc"]["value"] > 0.9, "it has learned what a refusal is"
    model = load(tmp_path / "model")
    assert model.heads == HEADS

    own = tmp_path / "own"
    own.mkdir()
    lines = [
        json.dumps(row | {"labels": {"house.kites": int("kite" in str(row["prompt"]))}, "group": row["id"]})
        for row in labelled.rows()
    ]
    (own / "own.jsonl").write_text("\n".join(lines * 3))
    said = tipstaff(
        components, "train", own, "--head", "house.kites", "--model", tmp_path / "model", "--out", tmp_path / "more"
    )
    assert "house.kites: AUROC 1.000" in said
    assert "with one more head, `house.kites`" in (tmp_path / "more" / "MODEL_CARD.md").read_text()
    more = load(tmp_path / "more")
    assert more.heads == (*HEADS, "house.kites")
    before, after = (read_sample(tmp_path / name).probabilities["fp32"] for name in ("model", "more"))
    assert [row[:-1] for row in after] == before
    kite, bread = more.probabilities(
        [
            more.encoding.cut(each, more.window)
            for each in more.encoding.tokens([("How do I make a kite?", None), ("How do I make bread?", None)])
        ]
    )[:, -1]
    assert kite > 0.5 > bread


@requires("trainer")
def test_what_cannot_be_trained_is_said_in_a_line(components: ComponentUse, tmp_path: Path) -> None:
    rows = labelled.write(tmp_path / "rows")
    with pytest.raises(AssertionError, match=r"for train, .*, 0 say yes and 0 no; at least 20 of each"):
        tipstaff(components, "train", rows, "--head", "house.rare", "--out", tmp_path / "more")
    with pytest.raises(AssertionError, match="no source mde to leave out; there are made"):
        tipstaff(components, "train", rows, "--out", tmp_path / "held", "--hold", "mde")
    (tmp_path / "model").mkdir()
    with pytest.raises(AssertionError, match="is there already"):
        tipstaff(components, "train", rows, "--out", tmp_path / "model")
