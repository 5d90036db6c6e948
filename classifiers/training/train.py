"""A whole training run: rows in, a checked model folder out, with its metrics and its card.

With `held` sources left out it says how good the same settings are on sources that were never seen.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from tokenizers import Tokenizer
from transformers import BertConfig

from classifiers.encoder.encoding import Encoding, Text
from classifiers.encoder.heads import HEADS
from classifiers.encoder.model import Calibration, Description
from classifiers.training import calibrate, card, export, fit, graph, network, report
from classifiers.training.examples import Example, is_contrast, made
from classifiers.training.rows import Row, RowsError, digest, divide, files, read

_SAMPLED = 24
"""Texts of the sample that a model is checked by when it is loaded."""
_MEASURED = 300
"""Texts by which activations are measured before they are rounded."""


class Found(msgspec.Struct, frozen=True):
    """What a run found, head by head and source by source, on each part. foreign: on the `held` sources, that it
    never saw. parity: how much F1 int8 costs on the test part; largest_difference: of a probability there.
    """

    version: str
    settings: fit.Settings
    data: str
    held: list[str]
    check: list[report.OfHead]
    test: list[report.OfHead]
    foreign: list[report.OfHead]
    parity: dict[str, float]
    largest_difference: float


Told = Callable[[int, int, float], None]


def train(
    folders: Sequence[Path],
    out: Path,
    settings: fit.Settings,
    *,
    held: Sequence[str] = (),
    told: Told,
    base: Path | None = None,
) -> Found:
    """Train on the rows of `folders` and write the model folder `out`, which must not be there yet.

    Raises RowsError, network.BaseMissing, FileExistsError.
    """
    if out.exists():
        raise FileExistsError(f"{out} is there already: give another folder")
    start = network.base_folder() if base is None else base
    paths = files(folders)
    rows = [row for row in read(paths) if row.source not in _UNUSED]
    if unknown := sorted(set(held) - (sources := {row.source for row in rows})):
        raise RowsError(f"no source {', '.join(unknown)} to leave out; there are {', '.join(sorted(sources))}")
    foreign = [row for row in rows if row.source in held]
    parts = divide(row for row in rows if row.source not in held)
    for name, part in msgspec.structs.asdict(parts).items():
        if not part:
            raise RowsError(f"no row falls into the part {name}: rows are divided by `group`, so give more groups")
    encoding = Encoding(Tokenizer.from_file(str(start / "tokenizer.json")))
    net = fit.fit(network.pretrained(start, len(HEADS)), encoding, parts.train, HEADS, settings, told)
    check = made(parts.check)
    logits = _scores(net, encoding, check, settings)
    heads = calibrate.calibrate(logits, _targets(check), [each.source for each in check], HEADS)
    description = _export(
        net, heads, start, out, parts.test, check[:: max(len(check) // _MEASURED, 1)], settings, digest(paths)
    )
    found = _found(
        out, description, {"check": check, "test": made(parts.test), "foreign": made(foreign)}, settings, held
    )
    (out / "metrics.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    (out / "MODEL_CARD.md").write_text(card.written(found, len(rows), len(sources)), encoding="utf-8")
    return found


_UNUSED = frozenset({"truthfulqa_judged"})
"""Facts are not a small encoder's business: what it learns from these rows is style."""


def _export(
    net: network.Network,
    heads: dict[str, Calibration],
    start: Path,
    out: Path,
    rows: Sequence[Row],
    usual: Sequence[Example],
    settings: fit.Settings,
    data: str,
) -> Description:
    config = BertConfig.from_pretrained(start)
    own = made([row for row in rows if is_contrast(row.source)] or rows)
    texts = _texts(own[:: max(len(own) // _SAMPLED, 1)][:_SAMPLED])
    return export.export(
        {name: value.numpy() for name, value in net.state_dict().items()},
        graph.Shape(config.num_hidden_layers, config.num_attention_heads, config.layer_norm_eps),
        heads,
        out,
        window=settings.window,
        tokenizer=start / "tokenizer.json",
        texts=texts,
        usual=_texts(usual),
        made=export.Provenance(data, _code(), settings.seed),
    )


def _found(
    out: Path,
    description: Description,
    parts: dict[str, list[Example]],
    settings: fit.Settings,
    held: Sequence[str],
) -> Found:
    names = list(description.heads)
    sides = {
        precision: {
            part: export.read(out, description, precision, _texts(examples)) for part, examples in parts.items()
        }
        for precision in ("fp32", "int8")
    }
    fine, small = (
        report.by_head(report.report(parts["test"], sides[side]["test"], names, sources=False))
        for side in ("fp32", "int8")
    )
    return Found(
        version=description.version,
        settings=settings,
        data=description.data,
        held=list(held),
        **{part: report.report(examples, sides["int8"][part], names) for part, examples in parts.items()},
        parity={name: round((fine[name].f1 or 0.0) - (small[name].f1 or 0.0), 4) for name in names if name in fine},
        largest_difference=round(float(np.abs(sides["fp32"]["test"] - sides["int8"]["test"]).max(initial=0.0)), 4),
    )


def _texts(examples: Sequence[Example]) -> list[Text]:
    return [(each.request, each.answer) for each in examples]


def _scores(
    net: network.Network, encoding: Encoding, examples: Sequence[Example], settings: fit.Settings
) -> np.ndarray:
    return fit.scores(net, encoding, _texts(examples), settings.window).astype(np.float64)


def _targets(examples: Sequence[Example]) -> np.ndarray:
    return np.array([[each.targets.get(name, np.nan) for name in HEADS] for each in examples])


def _code() -> str:
    """SHA-256 over the modules that train and run the encoder."""
    here = Path(__file__).parent
    whole = hashlib.sha256()
    for path in sorted((*here.glob("*.py"), *here.parent.glob("encoder/*.py"))):
        whole.update(path.read_bytes())
    return whole.hexdigest()
