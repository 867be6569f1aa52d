"""Compiles a base and an adapter: merged, quantized, one file that an engine maps into memory. Run as a process of its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from promptopt.bundle import WEIGHTS, Bundle
from promptopt.engine.modelfile import Matrix, ModelWriter, Shape
from promptopt.engine.protocol import MODEL_FILE
from promptopt.engine.weights import Weights, load_weights, merge_adapter
from promptopt.errors import BundleError

_ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "gelu_new": "gelu_new", "gated-relu": "relu", "gated-gelu": "gelu_new"}


def compile_bundle(bundle: Bundle, folder: Path, quantization: Literal["int8", "float32"]) -> None:
    """Writes the compiled form of `bundle` into `folder`. Raises BundleError for what cannot be compiled."""
    config = json.loads((bundle.base / "config.json").read_text(encoding="utf-8"))
    adapter = load_weights(bundle.adapter / "adapter_model.safetensors")
    options = json.loads((bundle.adapter / "adapter_config.json").read_text(encoding="utf-8"))
    weights = merge_adapter(load_weights(bundle.base / WEIGHTS), adapter, options)
    with (folder / MODEL_FILE).open("wb") as file:
        writer = ModelWriter(file, quantization)
        write_model(writer, config, weights)


def write_model(writer: ModelWriter, config: Mapping[str, Any], weights: Weights) -> None:
    """Writes the tensors of a T5 with this config.json, in the order in which they are used, then its shape."""
    embedding = weights["shared.weight"]
    shape = _shape(config, len(embedding))
    writer.matrix("embedding", embedding)
    for stack, layers in (("encoder", shape.encoder_layers), ("decoder", shape.decoder_layers)):
        buckets = weights[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        writer.table(f"{stack}.bias", relative_bias(buckets, shape.distance, both_sides=stack == "encoder"))
        for layer in range(layers):
            _write_layer(writer, weights, f"{stack}.block.{layer}.layer", f"{stack}.{layer}", shape.gated)
    writer.table("encoder.norm", weights["encoder.final_layer_norm.weight"])
    scaled = config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True))
    scale = np.float32(shape.d_model**-0.5 if scaled else 1)
    writer.table("decoder.norm", scale * weights["decoder.final_layer_norm.weight"])
    if "lm_head.weight" in weights:
        writer.matrix("head", weights["lm_head.weight"])
    writer.finish(shape)


def relative_bias(buckets: Matrix, distance: int, both_sides: bool) -> Matrix:
    """What is added to the score of a key, by its position relative to the query: shape [heads, relative position + distance].

    From the biases of T5's buckets, shape [buckets, heads]: one for each of the nearest positions, then for ranges that grow as powers.
    """
    relative = np.arange(-distance, (distance if both_sides else 0) + 1)
    count = len(buckets) // 2 if both_sides else len(buckets)
    exact = count // 2
    far = np.abs(relative)
    steps = np.log(np.maximum(far, 1).astype(np.float32) / np.float32(exact)) / np.float32(np.log(distance / exact))
    ranges = exact + (steps * np.float32(count - exact)).astype(np.int64)
    index = np.where(far < exact, far, np.minimum(ranges, count - 1))
    bias: Matrix = buckets[index + np.where(relative > 0, count, 0)].T
    return bias


def _shape(config: Mapping[str, Any], vocabulary: int) -> Shape:
    feed_forward = config.get("feed_forward_proj", "relu")
    if feed_forward not in _ACTIVATIONS:
        raise BundleError(f"The base uses {feed_forward}, which is not supported.", f"Use one of: {', '.join(_ACTIVATIONS)}.")
    return Shape(
        d_model=config["d_model"],
        d_kv=config["d_kv"],
        heads=config["num_heads"],
        d_ff=config["d_ff"],
        encoder_layers=config["num_layers"],
        decoder_layers=config.get("num_decoder_layers", config["num_layers"]),
        vocabulary=vocabulary,
        distance=config.get("relative_attention_max_distance", 128),
        activation=_ACTIVATIONS[feed_forward],
        gated=feed_forward.startswith("gated-"),
        epsilon=config.get("layer_norm_epsilon", 1e-6),
        start=config.get("decoder_start_token_id", 0),
    )


def _write_layer(writer: ModelWriter, weights: Weights, block: str, layer: str, gated: bool) -> None:
    """Projections that read the same vector are stacked into one matrix."""
    _write_attention(writer, weights, f"{block}.0.SelfAttention", f"{layer}.self", ("qkv",))
    writer.table(f"{layer}.self.norm", weights[f"{block}.0.layer_norm.weight"])
    decoder = layer.startswith("decoder")
    if decoder:
        _write_attention(writer, weights, f"{block}.1.EncDecAttention", f"{layer}.cross", ("q", "kv"))
        writer.table(f"{layer}.cross.norm", weights[f"{block}.1.layer_norm.weight"])
    last = f"{block}.{2 if decoder else 1}"
    dense = f"{last}.DenseReluDense"
    inputs = ("wi_0", "wi_1") if gated else ("wi",)
    writer.matrix(f"{layer}.in", np.concatenate([weights[f"{dense}.{name}.weight"] for name in inputs]))
    writer.matrix(f"{layer}.out", weights[f"{dense}.wo.weight"])
    writer.table(f"{layer}.norm", weights[f"{last}.layer_norm.weight"])


def _write_attention(writer: ModelWriter, weights: Weights, source: str, target: str, groups: tuple[str, ...]) -> None:
    for letters in (*groups, "o"):
        writer.matrix(f"{target}.{letters}", np.concatenate([weights[f"{source}.{letter}.weight"] for letter in letters]))
