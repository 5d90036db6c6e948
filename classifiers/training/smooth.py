"""Makes a graph easier to round: large activations of single channels are moved into the weights behind them.

int8 scales a whole tensor by its largest number, so that one loud channel leaves few steps for the others. For each
product X W the channels of X are divided, and the rows of W multiplied, by s = max|X|^a / max|W|^(1 - a), which
changes nothing in exact numbers (SmoothQuant: Xiao et al., ICML 2023, arXiv 2211.10438).

What comes out of a Gelu, never far below 0, is large for some tokens and small for most: there each token is also
divided by its largest channel, and what the product makes of it multiplied by that again.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from classifiers.encoder.encoding import Joined

_STRENGTH = 0.85
"""a: how much of the burden the weights take. Of all answers int8 turns 0.09 % with 0.85 to 1.0, 0.27 % with 0.7,
0.69 % with 0.5, and 0.46 % without (2,600 texts of the test part); between 0.85 and 1.0 it is chance.
"""
_LEAST = 1e-3
_SILENT = "silent"
"""The name of that number in a graph: no token is divided by less."""


def smoothed(model: onnx.ModelProto, texts: Sequence[Joined]) -> onnx.ModelProto:
    """The same function of its inputs, for `texts` to measure activations by."""
    products = {node.name: node for node in model.graph.node if _is_product(node)}
    loudest = _loudest(model, sorted({node.input[0] for node in products.values()}), texts)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in made.graph.initializer}
    gelus = {node.output[0] for node in model.graph.node if node.op_type == "Gelu"}
    made.graph.initializer.append(numpy_helper.from_array(np.float32(_LEAST), _SILENT))
    nodes = []
    for node in model.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if node.name in products:
            weight = numpy_helper.to_array(weights[node.input[1]])
            rows = np.maximum(np.abs(weight).max(axis=1), _LEAST)
            scale = (loudest[node.input[0]] ** _STRENGTH / rows ** (1.0 - _STRENGTH)).astype(np.float32)
            weights[node.input[1]].CopyFrom(numpy_helper.from_array(weight * scale[:, None], node.input[1]))
            quieter = f"{node.name}.quieter"
            made.graph.initializer.append(numpy_helper.from_array(1.0 / scale, f"{quieter}.by"))
            nodes.append(helper.make_node("Mul", [node.input[0], f"{quieter}.by"], [quieter], name=quieter))
            copy.input[0] = quieter
            nodes += _evened(copy) if node.input[0] in gelus else [copy]
        else:
            nodes.append(copy)
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def _evened(product: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The product of what is scaled token by token, and scaled back. The nodes that take its place."""
    name = product.name
    inner, outer = product.input[0], product.output[0]
    product.input[0], product.output[0] = f"{name}.even", f"{name}.uneven"
    return [
        helper.make_node("ReduceMax", [inner], [f"{name}.peak"], name=f"{name}.peak", axes=[-1], keepdims=1),
        helper.make_node("Max", [f"{name}.peak", _SILENT], [f"{name}.loudness"], name=f"{name}.loudness"),
        helper.make_node("Div", [inner, f"{name}.loudness"], [f"{name}.even"], name=f"{name}.even"),
        product,
        helper.make_node("Mul", [f"{name}.uneven", f"{name}.loudness"], [outer], name=f"{name}.back"),
    ]


def _is_product(node: onnx.NodeProto) -> bool:
    return bool(node.op_type == "Attention" or (node.op_type == "MatMul" and node.name != "heads"))


def _loudest(
    model: onnx.ModelProto, names: Sequence[str], texts: Sequence[Joined]
) -> dict[str, NDArray[np.float32]]:
    """Of each tensor the largest absolute value by channel."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    found: dict[str, NDArray[np.float32]] = {}
    for text in texts:
        for name, value in zip(names, session.run(list(names), msgspec.structs.asdict(text)), strict=True):
            largest = np.abs(value).max(axis=(0, 1))
            found[name] = np.maximum(found.get(name, np.float32(_LEAST)), largest)
    return found
