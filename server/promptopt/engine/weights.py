"""The weights of a T5 with its adapter merged in, as numpy arrays, without torch."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from promptopt.errors import BundleError

Weights = Mapping[str, NDArray[np.float32]]
_PREFIX = "base_model.model."
_CHANGING = ("rank_pattern", "alpha_pattern", "fan_in_fan_out")


def load_weights(path: Path) -> Weights:
    """The tensors of a safetensors file as float32, each read when it is asked for. Raises BundleError when it is damaged."""
    try:
        return _Stored(safe_open(path, framework="numpy"))
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{path} is damaged or cannot be read ({error}).", "Fetch or install it again.") from error


def merge_adapter(weights: Weights, adapter: Weights, config: Mapping[str, Any]) -> Weights:
    """`weights` with the low-rank updates of a LoRA adapter added, each when it is asked for.

    Raises BundleError for an adapter of another kind, or one whose tensors do not fit this base.
    """
    scale = _scale(config)
    updates: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    for name in adapter:
        stem, _, part = name.rpartition(".lora_")
        if part not in ("A.weight", "B.weight") or f"{stem}.lora_A.weight" not in adapter or f"{stem}.lora_B.weight" not in adapter:
            raise BundleError(f"The adapter holds a tensor that is no LoRA update: {name}.", "Only plain LoRA adapters can be compiled.")
        if part == "B.weight":
            continue
        down, up = adapter[f"{stem}.lora_A.weight"], adapter[f"{stem}.lora_B.weight"]
        target = f"{stem.removeprefix(_PREFIX)}.weight"
        if target not in weights or down.shape[0] != up.shape[-1] or weights[target].shape != (*up.shape[:-1], *down.shape[1:]):
            raise BundleError(f"The adapter does not fit its base: {target}.", "Check which base the adapter was trained on.")
        updates[target] = (scale * up, down)
    return _Merged(weights, updates)


class _Stored(Weights):
    """Tensors of an open safetensors file."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._names = list(file.keys())

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        if name not in self._names:
            raise KeyError(name)
        tensor: NDArray[np.float32] = self._file.get_tensor(name).astype(np.float32, copy=False)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _Merged(Weights):
    """Tensors with an update on some of them."""

    def __init__(self, weights: Weights, updates: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
        self._weights = weights
        self._updates = updates

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        if name not in self._updates:
            return self._weights[name]
        up, down = self._updates[name]
        merged: NDArray[np.float32] = self._weights[name] + up @ down
        return merged

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)


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
