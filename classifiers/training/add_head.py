"""A head for a new principle: fitted on what the network already sees, so that no other head changes."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from scipy.optimize import minimize  # type: ignore[import-untyped]  # scipy ships no types

from classifiers.encoder.encoding import Text
from classifiers.encoder.heads import answer_head
from classifiers.encoder.model import FILES, Model, described, read_sample
from classifiers.training import calibrate, export
from classifiers.training.examples import Example
from classifiers.training.report import OfHead, by_head, report, table
from classifiers.training.rows import Row, RowsError, divide

Array = NDArray[np.float64]
_PULL = 1e-3
"""Of each weight towards 0."""
_LEAST = 20
"""Positives, and negatives, without which there is nothing to learn."""


_CARD = """# {version}

The encoder {base} with one more head, `{name}`, fitted on {rows:,} rows by `tipstaff train --head`; no other head
was changed. On the tenth of them that it did not learn from:

{table}"""


def add_head(name: str, rows: Sequence[Row], folder: Path, out: Path) -> OfHead:
    """Write the model of `folder` with one more head to `out`, which must not be there yet; how good it is on the
    tenth that it did not learn from. Rows need a label of that name, 0 or 1.

    Raises RowsError, ModelError, FileExistsError.
    """
    if out.exists():
        raise FileExistsError(f"{out} is there already: give another folder")
    description = described(folder)
    if name in description.heads:
        raise RowsError(f"{folder} has a head {name} already")
    known = [row for row in rows if name in row.labels and not (answer_head(name) and row.response is None)]
    parts = divide(known)
    for part, own, least in (("train", parts.train, _LEAST), ("check", parts.check, 1), ("test", parts.test, 1)):
        positives = sum(row.labels[name] for row in own)
        if min(positives, len(own) - positives) < least:
            raise RowsError(
                f"{name}: of the rows for {part}, which are drawn by `group`, {positives} say yes and "
                f"{len(own) - positives} no; at least {least} of each are needed"
            )
    model = Model(folder, description, "fp32")
    weight, bias = _fitted(*_seen(model, name, parts.train))
    features, labels = _seen(model, name, parts.check)
    logits = (features @ weight + bias)[:, None]
    curve = calibrate.calibrate(logits, labels[:, None], [row.source for row in parts.check], [name])
    out.mkdir(parents=True)
    for file in (*FILES, "sample.json"):
        shutil.copyfile(folder / file, out / file)
    for precision in ("int8", "fp32"):
        _widen(out / f"encoder.{precision}.onnx", weight, bias)
    made = export.Provenance(description.data, description.code, description.seed)
    heads = description.heads | curve
    extended = export.finish(out, heads, window=description.window, texts=read_sample(folder).texts, made=made)
    examples = [
        Example(row.source, row.group, *_text(name, row), {name: float(row.labels[name])}) for row in parts.test
    ]
    found = export.read(out, extended, "int8", [(each.request, each.answer) for each in examples])
    told = by_head(report(examples, found[:, -1:].astype(np.float64), [name], sources=False))[name]
    card = _CARD.format(
        version=extended.version, base=description.version, name=name, rows=len(known), table=table([told])
    )
    (out / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    return told


def _text(name: str, row: Row) -> Text:
    return row.prompt, row.response if answer_head(name) else None


def _seen(model: Model, name: str, rows: Sequence[Row]) -> tuple[Array, Array]:
    """Features of shape (rows, width), and labels."""
    tokens = model.encoding.tokens([_text(name, row) for row in rows])
    features = model.features([model.encoding.cut(each, model.window) for each in tokens])
    return features.astype(np.float64), np.array([float(row.labels[name]) for row in rows])


def _fitted(features: Array, labels: Array) -> tuple[Array, float]:
    """Logistic regression, both kinds counting alike."""
    weights = np.where(labels > 0.5, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())

    def loss(given: Array) -> tuple[float, Array]:
        logits = features @ given[:-1] + given[-1]
        error = weights * (1.0 / (1.0 + np.exp(-logits)) - labels)
        value = (weights * (np.logaddexp(0.0, logits) - labels * logits)).sum() + _PULL / 2 * (
            given[:-1] ** 2
        ).sum()
        return float(value), np.append(features.T @ error + _PULL * given[:-1], error.sum())

    found = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return found.x[:-1], float(found.x[-1])


def _widen(path: Path, weight: Array, bias: float) -> None:
    """Add a column to the last layer; every other tensor stays where it lies."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        if tensor.name in ("heads.weight", "heads.bias"):
            value = numpy_helper.to_array(tensor, base_dir=str(path.parent))
            more = weight[:, None] if value.ndim > 1 else np.array([bias])
            tensor.CopyFrom(numpy_helper.from_array(np.hstack([value, more]).astype(np.float32), tensor.name))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value += 1
    path.write_bytes(model.SerializeToString(deterministic=True))
