"""The weights of a T5 with its adapter merged in, as numpy arrays, without torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from promptopt.errors import BundleError

Weights = dict[str, NDArray[np.float32]]
_PREFIX = "base_model.model."
_CHANGING = ("rank_pattern", "alpha_pattern", "fan_in_fan_out")


def load_weights(path: Path) -> Weights:
    """All tensors of a safetensors file as float32. Raises BundleError when it is damaged."""
    try:
        return {name: tensor.astype(np.float32) for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{path} is damaged or cannot be read ({error}).", "Fetch or install it again.") from error


def merge_adapter(weights: Weights, adapter: Weights, config: Mapping[str, Any]) -> Weights:
    """`weights` with the low-rank updates of a LoRA adapter added.

    Raises BundleError for an adapter of another kind, or one whose tensors do not fit this base.
    """
    scale = _scale(config)
    merged = dict(weights)
    for name in adapter:
        stem, _, part = name.rpartition(".lora_")
        down, up = adapter.get(f"{stem}.lora_A.weight"), adapter.get(f"{stem}.lora_B.weight")
        if part not in ("A.weight", "B.weight") or down is None or up is None:
            raise BundleError(f"The adapter holds a tensor that is no LoRA update: {name}.", "Only plain LoRA adapters can be compiled.")
        if part == "B.weight":
            continue
        target = f"{stem.removeprefix(_PREFIX)}.weight"
        if target not in merged or down.shape[0] != up.shape[-1] or merged[target].shape != (*up.shape[:-1], *down.shape[1:]):
            raise BundleError(f"The adapter does not fit its base: {target}.", "Check which base the adapter was trained on.")
        merged[target] = merged[target] + scale * (up @ down)
    return merged


def is_plain_lora(config: Mapping[str, Any]) -> bool:
    """Whether an adapter of this configuration is of the kind that can be merged here."""
    return config.get("peft_type") == "LORA" and not any(config.get(option) for option in ("use_dora", *_CHANGING))


def _scale(config: Mapping[str, Any]) -> float:
    kind = "DoRA" if config.get("use_dora") else config.get("peft_type")
    if kind != "LORA":
        raise BundleError(f"The adapter is of kind {kind}, not plain LoRA.", "Train it with: promptopt-train lora")
    for option in _CHANGING:
        if config.get(option):
            raise BundleError(f"The adapter uses {option}, which is not supported.", "Train it with: promptopt-train lora")
    rank = int(config["r"])
    return float(config["lora_alpha"] / (np.sqrt(rank) if config.get("use_rslora") else rank))
