"""One training run: examples in, a fitted network out. The same seed and data give the same weights on one
machine.
"""

import random
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
import torch
from torch import Tensor

from classifiers.encoder.encoding import Encoding, Joined, Text
from classifiers.training.augment import augmented
from classifiers.training.examples import Example, Limits, epoch
from classifiers.training.network import Network, Rounding, layered
from classifiers.training.rows import Row

_TOLD = 10
"""Steps between two reports: a GPU has to wait for each."""


class Settings(msgspec.Struct, frozen=True):
    """Of a run. length: tokens that are read at most while training; window: afterwards. rate: of the topmost
    layer; `decay`: what is left of it a layer below.

    rounded: the part of the run after which the network learns to bear int8.
    average: the most that the weights' moving average keeps from step to step.
    smoothing: targets are 0 and 1 but for this.
    """

    epochs: int = 2
    batch: int = 64
    length: int = 160
    window: int = 192
    rate: float = 1.4e-4
    decay: float = 0.95
    warmup: float = 0.06
    weight_decay: float = 0.01
    average: float = 0.999
    smoothing: float = 0.02
    rounded: float = 0.5
    seed: int = 1
    limits: Limits = Limits()


def fit(
    network: Network,
    encoding: Encoding,
    rows: Sequence[Row],
    heads: Sequence[str],
    settings: Settings,
    told: Callable[[int, int, float], None],
) -> Network:
    """`network`, fitted to `rows` and averaged over its last steps. `told`: (step, of how many, loss), now and
    then.
    """
    rng = random.Random(settings.seed)  # noqa: S311 - reproducible on purpose
    torch.manual_seed(settings.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device).train()
    first = batches(epoch(rows, settings.limits, rng), encoding, heads, settings, rng)
    total = settings.epochs * len(first)
    optimizer = torch.optim.AdamW(
        layered(network, settings.rate, settings.decay),
        weight_decay=settings.weight_decay,
        fused=device.type == "cuda",
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / total, settings.warmup))
    average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=_Average(settings.average))
    rounding, step = Rounding(network), 0
    for number in range(settings.epochs):
        now = first if number == 0 else batches(epoch(rows, settings.limits, rng), encoding, heads, settings, rng)
        for batch in now:
            if step >= settings.rounded * total:
                rounding.begin()
            loss = _loss(network, batch, device, settings)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
            step += 1
            if step % _TOLD == 0 or step == total:
                told(min(step, total), total, float(loss.detach()))
    fitted: Network = average.module.cpu().eval()
    return fitted


class _Average:
    """A moving average that forgets fast at first: with one rate, a short run would keep what it began with."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._steps = 0

    def __call__(self, kept: list[Tensor], now: list[Tensor], _: Tensor) -> None:
        self._steps += 1
        rate = min(self._most, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(kept, now, 1 - rate)


class Batch(msgspec.Struct):
    """One batch: `targets` of shape (texts, heads), NaN where unknown."""

    encoded: Joined
    targets: np.ndarray


def batches(
    examples: Sequence[Example], encoding: Encoding, heads: Sequence[str], settings: Settings, rng: random.Random
) -> list[Batch]:
    """In a random order, each of texts of about one length."""
    texts = [(augmented(each.request, rng), each.answer) for each in examples]
    encoded = [encoding.cut(each, settings.length) for each in encoding.tokens(texts)]
    order = sorted(range(len(examples)), key=lambda place: (len(encoded[place].ids) // 8, rng.random()))
    made = []
    for start in range(0, len(order), settings.batch):
        places = order[start : start + settings.batch]
        targets = np.array(
            [[examples[place].targets.get(name, np.nan) for name in heads] for place in places], dtype=np.float32
        )
        made.append(Batch(Joined.of([encoded[place] for place in places]), targets))
    rng.shuffle(made)
    return made


def _loss(network: Network, batch: Batch, device: torch.device, settings: Settings) -> Tensor:
    read = tensors(batch.encoded, device)
    targets = torch.from_numpy(batch.targets).to(device)
    known = ~targets.isnan()
    with torch.autocast(device.type, dtype=torch.bfloat16):
        logits = network(*read)
    logits = logits.float()
    soft = targets.nan_to_num() * (1 - 2 * settings.smoothing) + settings.smoothing
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, soft, reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1) * 4


def tensors(joined: Joined, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """A batch for the network."""
    ids, mask, segments = (torch.from_numpy(each).to(device) for each in (joined.ids, joined.mask, joined.segments))
    return ids, mask, segments


def _rate(part: float, warmup: float) -> float:
    return part / warmup if part < warmup else max((1 - part) / (1 - warmup), 0.0)


def scores(network: Network, encoding: Encoding, texts: Sequence[Text], length: int) -> np.ndarray:
    """Logits, shape (texts, heads), in the order given."""
    device = next(network.parameters()).device
    encoded = [encoding.cut(each, length) for each in encoding.tokens(texts)]
    order = sorted(range(len(texts)), key=lambda place: len(encoded[place].ids))
    found = np.zeros((len(texts), network.heads.out_features), dtype=np.float32)
    with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
        for places in _chunks(order, 128):
            read = tensors(Joined.of([encoded[place] for place in places]), device)
            found[places] = network(*read).float().cpu().numpy()
    return found


def _chunks(order: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]
