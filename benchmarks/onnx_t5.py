"""A T5's weights as two ONNX graphs, the encoder and a step of the decoder, without torch: a rival that engine.py measures."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from promptopt.engine.compiler import relative_bias

Weights = Mapping[str, np.ndarray]


class Graph:
    """Nodes and weights of a graph under construction; every method returns the name of what it adds."""

    def __init__(self, config: Mapping[str, Any], weights: Weights) -> None:
        self._config = config
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: dict[str, np.ndarray] = {}

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{kind}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: np.ndarray) -> str:
        self._constants[name] = np.ascontiguousarray(values)
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self._weights[f"{name}.weight"])

    def linear(self, x: str, name: str) -> str:
        return self.add("MatMul", x, self.constant(name, self._weights[f"{name}.weight"].T))

    def norm(self, x: str, name: str) -> str:
        epsilon = self._config["layer_norm_epsilon"]
        return self.add("SimplifiedLayerNormalization", x, self.weight(name), axis=-1, epsilon=epsilon, stash_type=1)

    def heads(self, x: str) -> str:
        """[batch, positions, inner] as [batch, heads, positions, channels]."""
        shape = self.constant("heads", np.array([0, 0, self._config["num_heads"], self._config["d_kv"]]))
        return self.add("Transpose", self.add("Reshape", x, shape), perm=[0, 2, 1, 3])

    def attended(self, query: str, keys: str, values: str, bias: str, name: str) -> str:
        scores = self.add("MatMul", query, self.add("Transpose", keys, perm=[0, 1, 3, 2]))
        scores = self.add("Softmax", self.add("Add", scores, bias) if bias else scores, axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", scores, values), perm=[0, 2, 1, 3])
        flat = self.constant("flat", np.array([0, 0, self._config["num_heads"] * self._config["d_kv"]]))
        return self.linear(self.add("Reshape", mixed, flat), f"{name}.o")

    def fed_forward(self, x: str, name: str) -> str:
        """A gated GELU by tanh."""
        gate = self.add("Gelu", self.linear(x, f"{name}.wi_0"), approximate="tanh")
        return self.linear(self.add("Mul", gate, self.linear(x, f"{name}.wi_1")), f"{name}.wo")

    def save(self, path: Path, inputs: Mapping[str, Sequence[Any]], outputs: Sequence[str]) -> None:
        """`inputs`: shapes, with names for what varies; ids are those called `ids`."""
        given = [helper.make_tensor_value_info(n, TensorProto.INT64 if n == "ids" else TensorProto.FLOAT, s) for n, s in inputs.items()]
        made = [helper.make_tensor_value_info(n, TensorProto.INT64 if n == "next" else TensorProto.FLOAT, None) for n in outputs]
        constants = [numpy_helper.from_array(values, name) for name, values in self._constants.items()]
        graph = helper.make_graph(self._nodes, "t5", given, made, constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


def export(config: Mapping[str, Any], weights: Weights, folder: Path, written: int | None) -> None:
    """Writes encoder.onnx, decoder.onnx and the tables of relative positions into the new `folder`, float32.

    `written`: only the first so many pieces are ever chosen; None for all of them.
    """
    folder.mkdir()
    for stack in ("encoder", "decoder"):
        buckets = weights[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        np.save(folder / f"{stack}.npy", relative_bias(buckets, config["relative_attention_max_distance"], stack == "encoder"))
    _encoder(config, weights, folder / "encoder.onnx")
    _decoder(config, weights, folder / "decoder.onnx", written)


def quantize(source: Path, folder: Path, bits: int) -> None:
    """Dynamic int8 (`bits` 8: activations in bytes as well), or weights alone in blocks of 32 (`bits` 4)."""
    folder.mkdir()
    for stack in ("encoder", "decoder"):
        shutil.copy(source / f"{stack}.npy", folder)
        name = f"{stack}.onnx"
        if bits == 8:
            from onnxruntime.quantization import quantize_dynamic

            floats = {"DefaultTensorType": TensorProto.FLOAT}  # it cannot tell, because the norm is of ONNX Runtime's own
            quantize_dynamic(source / name, folder / name, op_types_to_quantize=["MatMul"], extra_options=floats)
        else:
            from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

            quantizer = MatMulNBitsQuantizer(onnx.load(source / name), bits=bits, block_size=32, is_symmetric=True, accuracy_level=4)
            quantizer.process()
            onnx.save(quantizer.model.model, folder / name)


def _encoder(config: Mapping[str, Any], weights: Weights, path: Path) -> None:
    """ids, bias → keys and values of every decoder layer."""
    graph = Graph(config, weights)
    x = graph.add("Gather", graph.weight("shared"), "ids")
    for layer in range(config["num_layers"]):
        block = f"encoder.block.{layer}.layer"
        normed = graph.norm(x, f"{block}.0.layer_norm")
        query, keys, values = (graph.heads(graph.linear(normed, f"{block}.0.SelfAttention.{letter}")) for letter in "qkv")
        x = graph.add("Add", x, graph.attended(query, keys, values, "bias", f"{block}.0.SelfAttention"))
        x = graph.add("Add", x, graph.fed_forward(graph.norm(x, f"{block}.1.layer_norm"), f"{block}.1.DenseReluDense"))
    x = graph.norm(x, "encoder.final_layer_norm")
    names = []
    for layer in range(config["num_decoder_layers"]):
        for letter in "kv":
            made = graph.heads(graph.linear(x, f"decoder.block.{layer}.layer.1.EncDecAttention.{letter}"))
            names.append(graph.add("Identity", made, output=f"cross.{layer}.{letter}"))
    graph.save(path, {"ids": ["batch", "read"], "bias": [1, config["num_heads"], "read", "read"]}, names)


def _decoder(config: Mapping[str, Any], weights: Weights, path: Path, written: int | None) -> None:
    """ids, bias, keys and values of what was written and read → the likeliest next piece, and the keys and values with this one."""
    graph = Graph(config, weights)
    heads, channels = config["num_heads"], config["d_kv"]
    inputs: dict[str, Sequence[Any]] = {"ids": ["batch", 1], "bias": [1, heads, 1, "now"]}
    x = graph.add("Gather", graph.weight("shared"), "ids")
    names = ["next"]
    for layer in range(config["num_decoder_layers"]):
        block = f"decoder.block.{layer}.layer"
        normed = graph.norm(x, f"{block}.0.layer_norm")
        query = graph.heads(graph.linear(normed, f"{block}.0.SelfAttention.q"))
        both = []
        for letter in "kv":
            inputs[f"past.{layer}.{letter}"] = ["batch", heads, "past", channels]
            inputs[f"cross.{layer}.{letter}"] = ["batch", heads, "read", channels]
            new = graph.heads(graph.linear(normed, f"{block}.0.SelfAttention.{letter}"))
            names.append(f"now.{layer}.{letter}")
            both.append(graph.add("Concat", f"past.{layer}.{letter}", new, output=names[-1], axis=2))
        x = graph.add("Add", x, graph.attended(query, *both, "bias", f"{block}.0.SelfAttention"))
        query = graph.heads(graph.linear(graph.norm(x, f"{block}.1.layer_norm"), f"{block}.1.EncDecAttention.q"))
        x = graph.add("Add", x, graph.attended(query, f"cross.{layer}.k", f"cross.{layer}.v", "", f"{block}.1.EncDecAttention"))
        x = graph.add("Add", x, graph.fed_forward(graph.norm(x, f"{block}.2.layer_norm"), f"{block}.2.DenseReluDense"))
    x = graph.norm(x, "decoder.final_layer_norm")
    head = graph.constant("head", weights["shared.weight"][:written].T * np.float32(config["d_model"] ** -0.5))
    graph.add("ArgMax", graph.add("MatMul", x, head), output="next", axis=-1, keepdims=0)
    graph.save(path, inputs, names)
