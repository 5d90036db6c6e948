"""A Hugging Face sequence classifier in the encoder's place: its labels are taken for heads. Needs the extra `hf`.

Everything is read from a folder and nothing is ever downloaded. One text is read after another, as by the encoder
that ships; expect a tenth of its speed, or less.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PretrainedConfig

from classifiers.encoder.encoding import Encoded, Encoding, Joined, Layout
from classifiers.encoder.heads import HEADS
from classifiers.encoder.model import Array, ModelError

_LONGEST = 512
_SHORTEST = 64
"""Tokens of a window: what is left of it beside a request must be more than what two windows share."""
_WEIGHTS = ("*.safetensors", "*.bin")


class SequenceClassifier:
    """The model in `folder`. labels: one of its labels -> the heads that it speaks for; left out: labels that are
    named as heads are. pairs: it was trained on requests with answers behind them; else answers are read alone.

    Probabilities are the model's own: a softmax over its labels, or a sigmoid of each where it has several at once.
    Raises ModelError.
    """

    def __init__(self, folder: Path, labels: Mapping[str, Sequence[str]], *, pairs: bool = False) -> None:
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._network = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True).eval()
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder}: not a sequence classifier that transformers reads: {error}") from error
        if not tokenizer.is_fast:
            raise ModelError(f"{folder}: its tokenizer has no fast form (tokenizer.json)")
        config = self._network.config
        names = {str(name): int(place) for place, name in config.id2label.items()}
        self._columns = _columns(folder, names, labels)
        self.heads = tuple(self._columns)
        positions = getattr(config, "max_position_embeddings", _LONGEST) - _offset(config)
        self.window = min(tokenizer.model_max_length, positions, _LONGEST)
        if self.window < _SHORTEST:
            raise ModelError(f"{folder}: it reads {self.window} tokens at once; at least {_SHORTEST} are needed")
        between = max(tokenizer.num_special_tokens_to_add(pair=True) - 2, 1)
        self.encoding = Encoding(
            tokenizer.backend_tokenizer, Layout(tokenizer.cls_token, tokenizer.sep_token, between, pairs)
        )
        self._several = config.problem_type == "multi_label_classification" or len(names) == 1
        self._segments = getattr(config, "type_vocab_size", 1) > 1
        self._digest = _digest(folder, [sorted(names), self._columns, pairs])
        torch.set_num_threads(1)

    @property
    def version(self) -> str:
        """Of weights, labels and how they are read."""
        return f"{self._digest}-hf"

    def probabilities(self, texts: Sequence[Encoded]) -> Array:
        """Shape (texts, heads), in [0, 1]; of several labels for a head, the highest."""
        found = np.zeros((len(texts), len(self.heads)), dtype=np.float32)
        for row, text in enumerate(texts):
            said = self._said(Joined.of([text]))
            found[row] = [said[columns].max() for columns in self._columns.values()]
        return found

    def clear(self, head: str) -> float:  # noqa: ARG002 - the same for all: nobody has measured it
        """The probability below which a head clearly says no."""
        return 0.5

    def _said(self, text: Joined) -> Array:
        given = {"input_ids": text.ids, "attention_mask": text.mask}
        if self._segments:
            given["token_type_ids"] = text.segments
        with torch.inference_mode():
            logits = self._network(**{name: torch.from_numpy(ids).long() for name, ids in given.items()}).logits[0]
        said = logits.sigmoid() if self._several else logits.softmax(dim=-1)
        return np.asarray(said.float().numpy(), dtype=np.float32)


def _offset(config: PretrainedConfig) -> int:
    """Positions that RoBERTa and its kin never use: they begin to count behind the padding token."""
    return config.pad_token_id + 1 if "roberta" in config.model_type or config.model_type == "camembert" else 0


def _columns(folder: Path, names: Mapping[str, int], labels: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    """Head -> places among the labels."""
    if unknown := sorted(set(labels) - set(names)):
        raise ModelError(f"{folder}: it has no label {', '.join(unknown)}; it has {', '.join(sorted(names))}")
    chosen = labels or {name: [name] for name in names if name in HEADS}
    if not chosen:
        raise ModelError(
            f"{folder}: none of its labels ({', '.join(sorted(names))}) is named as a head: say in scoring.labels "
            "which head each of them speaks for"
        )
    columns: dict[str, list[int]] = {}
    for label, heads in chosen.items():
        for head in heads:
            columns.setdefault(head, []).append(names[label])
    return columns


def _digest(folder: Path, settings: object) -> str:
    whole = hashlib.sha256(msgspec.json.encode(settings))
    for path in sorted(path for pattern in _WEIGHTS for path in folder.glob(pattern)):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:12]
