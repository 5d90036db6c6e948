"""A Hugging Face sequence classifier as the encoder: a tiny one, made and taught here, read by the real command."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.components import ComponentUse, requires
from tests.support.trainer import TIPSTAFF, run

MAKE = """
import sys, torch
from tokenizers import Tokenizer, models, pre_tokenizers, normalizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

words = "kite bread how do i make a fly it bake warm you can with string flour the wind".split()
vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *"abcdefghijklmnopqrstuvwxyz?.,"]
raw = Tokenizer(models.WordPiece({word: place for place, word in enumerate(vocabulary)}, unk_token="[UNK]"))
raw.normalizer, raw.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=raw, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
    mask_token="[MASK]", model_max_length=64,
)
torch.manual_seed(1)
config = BertConfig(
    vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
    max_position_embeddings=64, num_labels=2, id2label={0: "fine", 1: "kites"}, label2id={"fine": 0, "kites": 1},
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)
model = BertForSequenceClassification(config)
kites = ["make a kite", "fly a kite with string", "the kite can fly", "it is a kite", "a kite you make"]
others = ["make bread", "bake it warm", "you can bake bread with flour", "the wind", "how do i bake bread"]
encode = lambda text: [2, *raw.encode(text, add_special_tokens=False).ids, 3]
rate = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(60):
    for text, label in [*((each, 1) for each in kites), *((each, 0) for each in others)]:
        loss = model(input_ids=torch.tensor([encode(text)]), labels=torch.tensor([label])).loss
        rate.zero_grad(); loss.backward(); rate.step()
model.save_pretrained(sys.argv[1]); tokenizer.save_pretrained(sys.argv[1])
"""
LABELS = ("--label", "kites=harmful_response", "--label", "kites=answer.harm.cyber")


@pytest.fixture(scope="module")
def folder(components: ComponentUse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hf") / "model"
    done = run(components, MAKE, made)
    assert done.returncode == 0, done.stderr
    return made


def found(components: ComponentUse, folder: Path, *words: object) -> dict[str, Any]:
    done = run(components, TIPSTAFF, "classify", "--encoder", folder, *words, "--json")
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


@requires("trainer")
def test_its_labels_speak_for_heads_and_so_for_principles(components: ComponentUse, folder: Path) -> None:
    asked = ("--prompt", "how do i make a kite?", "--response")
    bad = found(components, folder, *LABELS, *asked, "you can make a kite with string")
    good = found(components, folder, *LABELS, *asked, "you can bake bread with flour")
    assert set(bad["heads"]) == {"harmful_response", "answer.harm.cyber"}
    assert bad["findings"]["cyber"]["finding"] == "violates"
    assert bad["findings"]["cyber"]["probability"] > 0.9
    assert good["findings"]["cyber"]["finding"] == "upholds", "the request's kite is not the answer's"
    assert bad["findings"]["preaching"]["finding"] != "violates"
    assert bad["versions"]["encoder"].endswith("-hf")
    assert bad["versions"] == good["versions"]


@requires("trainer")
def test_behind_its_request_it_reads_both(components: ComponentUse, folder: Path) -> None:
    words = ("--prompt", "fly a kite", "--response", "bake it warm")
    alone = found(components, folder, *LABELS, *words)
    behind = found(components, folder, *LABELS, "--pairs", *words)
    assert alone["heads"] != behind["heads"]
    assert alone["versions"] != behind["versions"]


@requires("trainer")
@pytest.mark.parametrize(
    ("labels", "told"),
    [((), "none of its labels (fine, kites) is named as a head"), (("--label", "bread=refusal"), "no label bread")],
)
def test_what_is_missing_is_said(
    components: ComponentUse, folder: Path, labels: tuple[str, ...], told: str
) -> None:
    done = run(components, TIPSTAFF, "classify", "--encoder", folder, *labels, "--prompt", "a kite")
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@requires("trainer")
def test_a_folder_that_is_none_is_said(components: ComponentUse, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    done = run(components, TIPSTAFF, "classify", "--encoder", tmp_path, "--prompt", "a kite")
    assert done.returncode == 2
    assert "not a sequence classifier" in done.stderr
    assert "Traceback" not in done.stderr
