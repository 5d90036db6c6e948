"""From a fitted network to a model folder: two graphs over one file of int8 weights, and what is needed to check
it.

Weights are quantised per channel and to seven bits (`reduce_range`): products of an unsigned and a signed byte then
cannot overflow the 16-bit sums of processors without VNNI.
"""

import hashlib
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.external_data_helper import set_external_data
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer

from classifiers.encoder.encoding import Encoding, Joined, Text
from classifiers.encoder.model import FILES, Calibration, Description, Model, Precision, Sample
from classifiers.training import graph, smooth

DATA = "encoder.data"
_LARGE = 1024
"""Bytes from which a tensor lies in the file that both graphs share."""


class Provenance(msgspec.Struct, frozen=True):
    """What a model was made from. data, code: SHA-256 of the rows and of the modules that trained it."""

    data: str
    code: str
    seed: int


def export(  # noqa: PLR0913 - all that a model consists of
    weights: Mapping[str, graph.Array],
    shape: graph.Shape,
    heads: Mapping[str, Calibration],
    folder: Path,
    *,
    window: int,
    tokenizer: Path,
    texts: Sequence[Text],
    usual: Sequence[Text],
    made: Provenance,
) -> Description:
    """Write the model folder, which must not be there yet. `texts`: the sample that is read whenever it is
    loaded; `usual`: by which activations are measured.
    """
    folder.mkdir(parents=True)
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    plain = graph.build(weights, shape)
    full = smooth.smoothed(plain, _inputs(folder, usual, window))
    small = _quantised(full)
    _save({"int8": small, "fp32": _unpacking(full, small)}, folder)
    return finish(folder, heads, window=window, texts=texts, made=made)


def finish(
    folder: Path, heads: Mapping[str, Calibration], *, window: int, texts: Sequence[Text], made: Provenance
) -> Description:
    """Write model.json and sample.json for the FILES that lie in the folder."""
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    description = Description(
        format=1,
        version=hashlib.sha256(msgspec.json.encode([digests, heads], order="sorted")).hexdigest()[:12],
        window=window,
        heads=dict(heads),
        files=digests,
        data=made.data,
        code=made.code,
        seed=made.seed,
    )
    ways: tuple[Precision, ...] = ("int8", "fp32")
    sample = Sample(list(texts), {way: _rounded(read(folder, description, way, texts)) for way in ways})
    (folder / "sample.json").write_bytes(_readable(sample))
    (folder / "model.json").write_bytes(_readable(description))
    return description


def _inputs(folder: Path, texts: Sequence[Text], window: int) -> list[Joined]:
    encoding = Encoding(Tokenizer.from_file(str(folder / "tokenizer.json")))
    return [Joined.of([encoding.cut(each, window)]) for each in encoding.tokens(texts)]


def _rounded(probabilities: np.ndarray) -> list[list[float]]:
    return [[round(float(value), 5) for value in row] for row in probabilities]


def _readable(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def _quantised(full: onnx.ModelProto) -> onnx.ModelProto:
    with TemporaryDirectory() as folder:
        before, after = Path(folder) / "full.onnx", Path(folder) / "small.onnx"
        onnx.save(full, before)
        logging.getLogger().addFilter(_no_preparation)
        quantize_dynamic(
            before,
            after,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=["heads"],
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        return onnx.load(after)


def _no_preparation(record: logging.LogRecord) -> bool:
    """The quantiser advises to simplify the graph first; this one is as simple as it gets."""
    return "pre-processing before quantization" not in record.getMessage()


def _unpacking(full: onnx.ModelProto, small: onnx.ModelProto) -> onnx.ModelProto:
    """The full graph, its weights those of the small one, unpacked when it is loaded."""
    packed = {each.name: each for each in small.graph.initializer}
    model = onnx.ModelProto()
    model.CopyFrom(full)
    nodes, kept = [], []
    for weight in full.graph.initializer:
        trio = [f"{weight.name}_{part}" for part in ("quantized", "scale", "zero_point")]
        if trio[0] not in packed:
            kept.append(weight)
            continue
        kept += [packed[name] for name in trio]
        axis = {"axis": 1} if packed[trio[1]].dims else {}
        nodes.append(
            helper.make_node("DequantizeLinear", trio, [weight.name], name=f"{weight.name}.unpacked", **axis)
        )
    nodes += full.graph.node
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    return model


def _save(models: Mapping[Precision, onnx.ModelProto], folder: Path) -> None:
    """Tensors of the same name and bytes are written once."""
    places: dict[tuple[str, bytes], tuple[int, int]] = {}
    with (folder / DATA).open("wb") as data:
        for precision, model in models.items():
            for tensor in model.graph.initializer:
                raw = onnx.numpy_helper.to_array(tensor).tobytes()
                if len(raw) < _LARGE:
                    continue
                key = (tensor.name, hashlib.sha256(raw).digest())
                if key not in places:
                    places[key] = (data.tell(), len(raw))
                    data.write(raw)
                offset, length = places[key]
                tensor.ClearField("float_data")
                tensor.ClearField("int32_data")
                tensor.raw_data = b""
                set_external_data(tensor, DATA, offset, length)
                tensor.ClearField("raw_data")
            (folder / f"encoder.{precision}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def read(folder: Path, description: Description, precision: Precision, texts: Sequence[Text]) -> np.ndarray:
    """Probabilities by the exported model, shape (texts, heads), each text cut to one window."""
    model = Model(folder, description, precision)
    tokens = model.encoding.tokens(texts)
    return model.probabilities([model.encoding.cut(each, model.window) for each in tokens])
