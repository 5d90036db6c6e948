"""The fitted network as an ONNX graph, written node by node with the runtime's fused operators.

An exporter would have to be persuaded to leave attention in a form that the runtime's optimizer knows again; here
it is one operator from the start, and the graph is the same whatever the version of torch.
"""

from collections.abc import Mapping

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]
_MICROSOFT = "com.microsoft"
_OPSET = 17
INPUTS = ("ids", "mask", "segments")
OUTPUT, FEATURES = "logits", "features"
"""What each head says, and what they all read: from it a further head is fitted without touching the others."""


class Shape(msgspec.Struct, frozen=True):
    """Of the transformer: what the graph needs besides the weights."""

    layers: int
    attention_heads: int
    epsilon: float


def build(weights: Mapping[str, Array], shape: Shape) -> onnx.ModelProto:
    """`weights`: by the names that `Network.state_dict` gives them. Inputs int32 of shape (texts, tokens)."""
    return _Builder(weights, shape).model(weights["heads.weight"].shape[0])


class _Builder:
    def __init__(self, weights: Mapping[str, Array], shape: Shape) -> None:
        self._weights = weights
        self._shape = shape
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._width = weights["bert.embeddings.LayerNorm.weight"].shape[0]

    def model(self, heads: int) -> onnx.ModelProto:
        hidden = self._embedded()
        for layer in range(self._shape.layers):
            hidden = self._layer(hidden, f"bert.encoder.layer.{layer}.")
        self._head(hidden)
        graph = helper.make_graph(
            self._nodes,
            "encoder",
            [helper.make_tensor_value_info(name, TensorProto.INT32, ["texts", "tokens"]) for name in INPUTS],
            [
                helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["texts", heads]),
                helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["texts", 2 * self._width]),
            ],
            list(self._constants.values()),
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        onnx.checker.check_model(model)
        return model

    def _embedded(self) -> str:
        base = "bert.embeddings."
        words = self._node("Gather", [self._own(base + "word_embeddings.weight"), "ids"], "words")
        kinds = self._node("Gather", [self._own(base + "token_type_embeddings.weight"), "segments"], "kinds")
        length = self._node(
            "Gather", [self._node("Shape", ["ids"], "shape"), self._number("one", 1)], "length", axis=0
        )
        length = self._node("Unsqueeze", [length, self._numbers("first", [0])], "lengths")
        places = self._node(
            "Slice",
            [
                self._own(base + "position_embeddings.weight"),
                self._numbers("from", [0]),
                length,
                self._numbers("axis", [0]),
            ],
            "places",
        )
        summed = self._node("Add", [self._node("Add", [words, kinds], "words_kinds"), places], "summed")
        return self._node(
            "LayerNormalization",
            [summed, self._own(base + "LayerNorm.weight"), self._own(base + "LayerNorm.bias")],
            "embedded",
            epsilon=self._shape.epsilon,
        )

    def _layer(self, hidden: str, base: str) -> str:
        parts = [base + f"attention.self.{name}." for name in ("query", "key", "value")]
        weight = self._constant(
            base + "qkv.weight", np.concatenate([self._weights[p + "weight"].T for p in parts], 1)
        )
        bias = self._constant(base + "qkv.bias", np.concatenate([self._weights[p + "bias"] for p in parts]))
        seen = self._node(
            "Attention",
            [hidden, weight, bias, "mask"],
            base + "attention",
            domain=_MICROSOFT,
            num_heads=self._shape.attention_heads,
        )
        hidden = self._added(hidden, self._linear(seen, base + "attention.output.dense"), base + "attention.output")
        inner = self._node(
            "Gelu", [self._linear(hidden, base + "intermediate.dense")], base + "gelu", domain=_MICROSOFT
        )
        return self._added(hidden, self._linear(inner, base + "output.dense"), base + "output")

    def _linear(self, hidden: str, name: str) -> str:
        weight = self._constant(name + ".weight", self._weights[name + ".weight"].T)
        product = self._node("MatMul", [hidden, weight], name + ".product")
        return self._node("Add", [product, self._own(name + ".bias")], name)

    def _added(self, hidden: str, more: str, base: str) -> str:
        """Two operators: what the runtime has for both at once takes five times as long on a CPU."""
        return self._node(
            "LayerNormalization",
            [
                self._node("Add", [hidden, more], base + ".summed"),
                self._own(base + ".LayerNorm.weight"),
                self._own(base + ".LayerNorm.bias"),
            ],
            base + ".normed",
            epsilon=self._shape.epsilon,
        )

    def _head(self, hidden: str) -> None:
        first = self._node("Gather", [hidden, self._number("zero", 0)], "opening", axis=1)
        mask = self._node("Cast", ["mask"], "weights", to=TensorProto.FLOAT)
        wide = self._node("Unsqueeze", [mask, self._numbers("last", [2])], "wide")
        masked = self._node("Mul", [hidden, wide], "masked")
        total = self._node("ReduceSum", [masked, self._numbers("tokens_axis", [1])], "total", keepdims=0)
        count = self._node("ReduceSum", [mask, self._numbers("tokens_axis", [1])], "count", keepdims=1)
        mean = self._node("Div", [total, count], "mean")
        both = self._node("Concat", [first, mean], FEATURES, axis=1)
        weight = self._constant("heads.weight", self._weights["heads.weight"].T)
        product = self._node("MatMul", [both, weight], "heads")
        self._nodes.append(helper.make_node("Add", [product, self._own("heads.bias")], [OUTPUT], name=OUTPUT))

    def _node(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _own(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _constant(self, name: str, value: Array) -> str:
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name)
        return name

    def _number(self, name: str, value: int) -> str:
        self._constants[name] = numpy_helper.from_array(np.array(value, dtype=np.int64), name)
        return name

    def _numbers(self, name: str, values: list[int]) -> str:
        self._constants[name] = numpy_helper.from_array(np.array(values, dtype=np.int64), name)
        return name
