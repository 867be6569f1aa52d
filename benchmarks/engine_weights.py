"""Random weights for engine.py, in the shape of flan-t5-base and in a tiny one, with an adapter; bytes that a piece reads of weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np

WORDS = 32
RANK = 16
Weights = dict[str, np.ndarray]

SHAPES: Mapping[str, dict[str, Any]] = {
    "mini": {"d_model": 256, "d_kv": 32, "num_heads": 8, "d_ff": 768, "num_layers": 6, "num_decoder_layers": 2, "vocab_size": 20736},
    "base": {"d_model": 768, "d_kv": 64, "num_heads": 12, "d_ff": 2048, "num_layers": 12, "num_decoder_layers": 12, "vocab_size": 32128},
    "tiny": {"d_model": 64, "d_kv": 16, "num_heads": 4, "d_ff": 128, "num_layers": 2, "num_decoder_layers": 2, "vocab_size": 2048},
}
COMMON = {
    "architectures": ["T5ForConditionalGeneration"],
    "model_type": "t5",
    "feed_forward_proj": "gated-gelu",
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-6,
    "tie_word_embeddings": True,
    "decoder_start_token_id": 0,
    "pad_token_id": 0,
    "eos_token_id": 1,
}


def make_weights(shape: Mapping[str, Any]) -> Weights:
    """A base in half precision, at whose size nothing explodes. The end is never likeliest, so all engines write equally many pieces."""
    draw = np.random.default_rng(1)
    d, inner, ff = shape["d_model"], shape["num_heads"] * shape["d_kv"], shape["d_ff"]
    weights: Weights = {}

    def add(name: str, rows: int, columns: int, deviation: float) -> None:
        drawn = deviation * draw.standard_normal((rows, columns), np.float32)
        weights[f"{name}.weight"] = drawn.astype(np.float16).astype(np.float32)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = np.ones(d, np.float32)

    add("shared", shape["vocab_size"], d, 0.1)  # larger ones would have a piece followed by itself for ever
    weights["shared.weight"][1] = 0
    for stack, layers in (("encoder", shape["num_layers"]), ("decoder", shape["num_decoder_layers"])):
        add(f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias", 32, shape["num_heads"], 0.5)
        norm(f"{stack}.final_layer_norm")
        for layer in range(layers):
            block = f"{stack}.block.{layer}.layer"
            for number, kind in enumerate(("SelfAttention", "EncDecAttention")[: 1 + (stack == "decoder")]):
                norm(f"{block}.{number}.layer_norm")
                add(f"{block}.{number}.{kind}.q", inner, d, (d * shape["d_kv"]) ** -0.5)
                for letter in "kv":
                    add(f"{block}.{number}.{kind}.{letter}", inner, d, d**-0.5)
                add(f"{block}.{number}.{kind}.o", d, inner, inner**-0.5)
            last = f"{block}.{2 if stack == 'decoder' else 1}"
            norm(f"{last}.layer_norm")
            for name in ("wi_0", "wi_1"):
                add(f"{last}.DenseReluDense.{name}", ff, d, d**-0.5)
            add(f"{last}.DenseReluDense.wo", d, ff, ff**-0.5)
    return weights


def make_adapter(weights: Weights) -> Weights:
    """Low-rank updates of every q and v, float32, named as peft names them."""
    draw = np.random.default_rng(3)
    adapter = {}
    for name, matrix in weights.items():
        stem = name.removesuffix(".weight")
        if stem.endswith((".q", ".v")):
            rows, columns = matrix.shape
            deviation = float(matrix.std())
            adapter[f"base_model.model.{stem}.lora_A.weight"] = columns**-0.5 * draw.standard_normal((RANK, columns), np.float32)
            adapter[f"base_model.model.{stem}.lora_B.weight"] = 0.1 * deviation * draw.standard_normal((rows, RANK), np.float32)
    return adapter


def sources(count: int, vocabulary: int) -> list[list[int]]:
    """Prompts of nothing but chance, each as long as the others."""
    draw = np.random.default_rng(2)
    return [[*map(int, draw.integers(3, vocabulary, WORDS - 1)), 1] for _ in range(count)]


def weight_bytes(shape: str, engine: str, written: int = 0) -> float:
    """Bytes of weights that the decoder and its head read for one piece; keys and values of the prompt, and scales, are left out.

    `written`: pieces in the head of ours, and of those that end so; 0 for all.
    """
    numbers = SHAPES[shape]
    d, inner, ff = numbers["d_model"], numbers["num_heads"] * numbers["d_kv"], numbers["d_ff"]
    touched, kept = 3 * d * inner + d * inner, 2 * d * inner + 3 * d * ff  # an adapter touches q and v: the matrices qkv and q
    short = (written and engine.startswith("ours")) or engine.endswith("_written")
    head = d * (written if short else numbers["vocab_size"])
    layers = numbers["num_decoder_layers"]
    if engine == "ours-float16":
        return layers * (4 * touched + 2 * kept) + 2 * head
    each = {"int8": 1.0, "int4": 0.5, "bfloat16": 2.0, "int16": 2.0}.get(engine.split("-")[1].split("_")[0], 4.0)
    return each * (layers * (touched + kept) + head)
