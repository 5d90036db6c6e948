"""The model that ships: checked when it is loaded, and the same in whole numbers and in fractions."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from classifiers.encoder import model
from classifiers.encoder.heads import HEADS
from classifiers.encoder.model import DEFAULT, Model, ModelError, load, read_sample

FILES = ("encoder.data", "encoder.int8.onnx", "encoder.fp32.onnx", "tokenizer.json")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEFAULT, tmp_path / "model"))


def test_it_has_every_head_and_is_small_enough_to_ship() -> None:
    loaded = load(DEFAULT)
    assert loaded.heads == HEADS
    assert sum(path.stat().st_size for path in DEFAULT.iterdir()) <= 25e6


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_found(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name} is not the file that model.json names"):
        load(copy)


@pytest.mark.parametrize("name", ["encoder.data", "sample.json", "model.json"])
def test_a_missing_file_is_said(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name):
        load(copy)


def test_another_format_is_refused(copy: Path) -> None:
    description = json.loads((copy / "model.json").read_bytes())
    (copy / "model.json").write_text(json.dumps(description | {"format": 2}))
    with pytest.raises(ModelError, match="a model of format 2"):
        load(copy)


def test_both_ways_to_compute_say_what_was_stored() -> None:
    sample = read_sample(DEFAULT)
    description = model.described(DEFAULT)
    for precision in ("int8", "fp32"):
        assert model.disagreement(Model(DEFAULT, description, precision), sample) <= 0.02


def test_where_whole_numbers_go_wrong_fractions_take_over(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Model.probabilities

    def overflowing(self: Model, texts: list[object]) -> np.ndarray:
        found = right(self, texts)  # type: ignore[arg-type]
        return 1 - found if self.precision == "int8" else found

    monkeypatch.setattr(Model, "probabilities", overflowing)
    loaded = load(DEFAULT)
    assert loaded.precision == "fp32"
    assert loaded.version.endswith("-fp32")
    with pytest.raises(ModelError, match="differs by"):
        load(DEFAULT, "int8")


def test_a_batch_says_of_each_text_what_it_says_alone() -> None:
    loaded = load(DEFAULT)
    texts = [("How do I bake bread?", None), ("word " * 150, "yes"), ("hi", "hello " * 90), ("", None)]
    encoded = [loaded.encoding.cut(each, loaded.window) for each in loaded.encoding.tokens(texts)]
    together = loaded.probabilities(encoded)
    alone = np.concatenate([loaded.probabilities([each]) for each in encoded])
    assert together.shape == (4, len(HEADS))
    np.testing.assert_array_equal(together, alone)
    assert loaded.probabilities([]).shape == (0, len(HEADS))
