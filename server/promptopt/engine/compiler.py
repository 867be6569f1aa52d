"""Compiles a base and an adapter for the CPU engine: merged, quantized, one folder. Run as a process of its own."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec

from promptopt.bundle import Bundle, load_bundle
from promptopt.engine.weights import Weights, load_weights, merge_adapter

_ACTIVATIONS = {"relu": common_spec.Activation.RELU, "gelu_new": common_spec.Activation.GELUTanh, "gelu": common_spec.Activation.GELU}


def compile_bundle(bundle: Bundle, folder: Path, quantization: str) -> None:
    """Writes the compiled form of `bundle` into the empty `folder`; `quantization` is "int8" or "float32"."""
    config = json.loads((bundle.base / "config.json").read_text(encoding="utf-8"))
    weights = load_weights(bundle.base / "model.safetensors")
    adapter = load_weights(bundle.adapter / "adapter_model.safetensors")
    weights = merge_adapter(weights, adapter, json.loads((bundle.adapter / "adapter_config.json").read_text(encoding="utf-8")))
    vocabulary = bundle.codec().vocabulary
    pieces = [vocabulary.piece(index) for index in range(len(vocabulary))]
    spare = weights["shared.weight"].shape[0] - len(pieces)
    spec = _specification(config, weights)
    spec.register_source_vocabulary(pieces + [f"<spare:{number}>" for number in range(spare)])
    spec.register_target_vocabulary(pieces + [f"<spare:{number}>" for number in range(spare)])
    spec.config.bos_token = pieces[0]
    spec.config.eos_token = pieces[1]
    spec.config.unk_token = pieces[2]
    spec.config.decoder_start_token = pieces[0]
    spec.validate()
    spec.optimize(quantization=None if quantization == "float32" else quantization)
    spec.save(str(folder))


def _specification(config: Mapping[str, Any], weights: Weights) -> transformer_spec.TransformerSpec:
    """The CTranslate2 specification of a T5 with these weights."""
    feed_forward = config.get("feed_forward_proj", "relu")
    gated = feed_forward.startswith("gated-")
    activation = "gelu_new" if feed_forward == "gated-gelu" else feed_forward.removeprefix("gated-")
    spec = transformer_spec.TransformerSpec.from_config(
        (config["num_layers"], config["num_decoder_layers"]),
        config["num_heads"],
        pre_norm=True,
        activation=_ACTIVATIONS[activation],
        ffn_glu=gated,
        relative_attention_bias=True,
        rms_norm=True,
    )
    distance = np.dtype("int32").type(config.get("relative_attention_max_distance", 128))
    _set_stack(spec.encoder, spec.encoder.embeddings[0], weights, "encoder", distance)
    _set_stack(spec.decoder, spec.decoder.embeddings, weights, "decoder", distance)
    spec.decoder.projection.weight = weights.get("lm_head.weight", weights["shared.weight"])
    if config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True)):
        spec.decoder.scale_outputs = np.dtype("float32").type(config["d_model"] ** -0.5)
    return spec


def _set_stack(spec: Any, embeddings: Any, weights: Weights, stack: str, distance: Any) -> None:
    spec.layer_norm.gamma = weights[f"{stack}.final_layer_norm.weight"]
    embeddings.weight = weights["shared.weight"]
    spec.scale_embeddings = False
    bias = weights[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    for number, layer in enumerate(spec.layer):
        block = f"{stack}.block.{number}.layer"
        _set_attention(layer.self_attention, weights, f"{block}.0.SelfAttention", f"{block}.0.layer_norm", ("qkv",))
        layer.self_attention.relative_attention_bias = bias
        layer.self_attention.relative_attention_max_distance = distance
        if stack == "decoder":
            _set_attention(layer.attention, weights, f"{block}.1.EncDecAttention", f"{block}.1.layer_norm", ("q", "kv"))
        _set_feed_forward(layer.ffn, weights, f"{block}.{2 if stack == 'decoder' else 1}")


def _set_attention(spec: Any, weights: Weights, name: str, norm: str, groups: Sequence[str]) -> None:
    """Projections of each group of letters are stacked into one matrix, as the engine wants them."""
    spec.queries_scale = 1.0
    spec.layer_norm.gamma = weights[f"{norm}.weight"]
    for linear, letters in zip(spec.linear, groups, strict=False):
        linear.weight = np.concatenate([weights[f"{name}.{letter}.weight"] for letter in letters])
    spec.linear[-1].weight = weights[f"{name}.o.weight"]


def _set_feed_forward(spec: Any, weights: Weights, name: str) -> None:
    spec.layer_norm.gamma = weights[f"{name}.layer_norm.weight"]
    gated = f"{name}.DenseReluDense.wi_0.weight" in weights
    spec.linear_0.weight = weights[f"{name}.DenseReluDense.{'wi_0' if gated else 'wi'}.weight"]
    if gated:
        spec.linear_0_noact.weight = weights[f"{name}.DenseReluDense.wi_1.weight"]
    spec.linear_1.weight = weights[f"{name}.DenseReluDense.wo.weight"]


if __name__ == "__main__":
    compile_bundle(load_bundle(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
