"""A T5's weights as a CTranslate2 model, without torch: the rival that the native engine is measured against."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec

_ACTIVATIONS = {"relu": common_spec.Activation.RELU, "gelu_new": common_spec.Activation.GELUTanh, "gelu": common_spec.Activation.GELU}
Weights = Mapping[str, np.ndarray]


def convert(config: Mapping[str, Any], weights: Weights, folder: Path, quantization: str | None, written: int | None) -> None:
    """Writes the model into the new `folder`; piece number n is called `<n>`, apart from T5's first three.

    `written`: what it writes consists of so many pieces, the first of the vocabulary; None for all of them.
    """
    spec = _specification(config, weights, written)
    pieces = ["<pad>", "</s>", "<unk>", *(f"<{number}>" for number in range(3, len(weights["shared.weight"])))]
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces[:written])
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = pieces[:3]
    spec.config.decoder_start_token = pieces[0]
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir()
    spec.save(str(folder))


def _specification(config: Mapping[str, Any], weights: Weights, written: int | None) -> transformer_spec.TransformerSpec:
    feed_forward = config.get("feed_forward_proj", "relu")
    activation = "gelu_new" if feed_forward == "gated-gelu" else feed_forward.removeprefix("gated-")
    spec = transformer_spec.TransformerSpec.from_config(
        (config["num_layers"], config["num_decoder_layers"]),
        config["num_heads"],
        pre_norm=True,
        activation=_ACTIVATIONS[activation],
        ffn_glu=feed_forward.startswith("gated-"),
        relative_attention_bias=True,
        rms_norm=True,
    )
    distance = np.dtype("int32").type(config.get("relative_attention_max_distance", 128))
    _set_stack(spec.encoder, weights, "encoder", distance)
    spec.encoder.embeddings[0].weight = weights["shared.weight"]
    _set_stack(spec.decoder, weights, "decoder", distance)
    spec.decoder.embeddings.weight = weights["shared.weight"][:written]
    spec.decoder.projection.weight = weights.get("lm_head.weight", weights["shared.weight"])[:written]
    if config.get("tie_word_embeddings", True):
        spec.decoder.scale_outputs = np.dtype("float32").type(config["d_model"] ** -0.5)
    return spec


def _set_stack(spec: Any, weights: Weights, stack: str, distance: Any) -> None:
    spec.layer_norm.gamma = weights[f"{stack}.final_layer_norm.weight"]
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
    """Projections of each group of letters are stacked into one matrix, as CTranslate2 wants them."""
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
