"""The weights of a T5 with its adapter merged in, as numpy arrays, without torch."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from promptopt.bundle import LARGEST_FIGURE, is_figure
from promptopt.errors import BundleError

Weights = Mapping[str, NDArray[np.float32]]
_PREFIX = "base_model.model."
_CHANGING = ("rank_pattern", "alpha_pattern", "fan_in_fan_out")
_TAKING = ("pissa", "corda", "olora", "loftq", "lora_ga")
"Ways to begin an adapter that take its beginning out of the base: what is added then belongs on another base than the one on disk."
_UPDATE = re.compile(r".*\.lora_[AB]\.weight", re.DOTALL)
_TYPES = ("F64", "F32", "F16", "BF16")


def load_weights(path: Path) -> Weights:
    """The tensors of a safetensors file as float32, each read when it is asked for.

    Raises BundleError when it is damaged, or has numbers of a type that weights are not kept in.
    """
    try:
        stored = _Stored(path, safe_open(path, framework="numpy"))
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{path} is damaged or cannot be read ({error}).", "Fetch or install it again.") from error
    odd = sorted({kind for kind in stored.types() if kind not in _TYPES})
    if odd:
        raise BundleError(f"{path} has tensors of type {', '.join(odd)}.", f"Save it with one of: {', '.join(_TYPES)}.")
    return stored


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
        if target not in weights or not _is_update(weights[target].shape, up.shape, down.shape):
            raise BundleError(f"The adapter does not fit its base: {target}.", "Check which base the adapter was trained on.")
        updates[target] = (scale * up, down)
    return _Merged(weights, updates)


class _Stored(Weights):
    """Tensors of a safetensors file that is open, and so has been found whole."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file
        with path.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length))
        self._data = 8 + length
        names = file.keys()
        self._entries = {name: header[name] for name in names}

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        if self._entries[name]["dtype"] == "BF16":
            return self._widened(**self._entries[name])
        tensor: NDArray[np.float32] = self._file.get_tensor(name).astype(np.float32, copy=False)
        return tensor

    def _widened(self, dtype: str, shape: list[int], data_offsets: tuple[int, int]) -> NDArray[np.float32]:
        """A tensor of bfloat16, which numpy does not have: the upper half of each float32."""
        begin, end = data_offsets
        halves = np.fromfile(self._path, "<u2", (end - begin) // 2, offset=self._data + begin)
        tensor: NDArray[np.float32] = (halves.astype(np.uint32) << 16).view(np.float32).reshape(shape)
        return tensor

    def types(self) -> Iterator[str]:
        """The type of each tensor, as the file calls it."""
        return (entry["dtype"] for entry in self._entries.values())

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


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
    changed = any(config.get(option) for option in ("use_dora", *_CHANGING)) or _takes_from_base(config)
    return config.get("peft_type") == "LORA" and not changed


def are_updates(names: Iterable[str]) -> bool:
    """Whether an adapter whose tensors are called so has nothing but updates of matrices, and so nothing that cannot be merged here."""
    return all(_UPDATE.fullmatch(name) for name in names)


def _takes_from_base(config: Mapping[str, Any]) -> bool:
    return str(config.get("init_lora_weights")).lower().startswith(_TAKING)


def _scale(config: Mapping[str, Any]) -> float:
    kind = "DoRA" if config.get("use_dora") else config.get("peft_type")
    if kind != "LORA":
        raise BundleError(f"The adapter is of kind {kind}, not plain LoRA.", "Train it with: promptopt-train lora")
    for option in _CHANGING:
        if config.get(option):
            raise BundleError(f"The adapter uses {option}, which is not supported.", "Train it with: promptopt-train lora")
    if _takes_from_base(config):
        raise BundleError(
            f"The adapter began as {config['init_lora_weights']}, which changes the base too.",
            "Save it as plain LoRA (peft: path_initial_model_for_weight_conversion), or use the engine reference.",
        )
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if type(rank) is not int or not 0 < rank <= LARGEST_FIGURE:
        raise BundleError(f"r of the adapter should be a whole number above 0, not {rank!r}.", "Check its adapter_config.json.")
    if not is_figure(alpha):
        raise BundleError(f"lora_alpha of the adapter should be a number, not {alpha!r}.", "Check its adapter_config.json.")
    return float(alpha / (np.sqrt(rank) if config.get("use_rslora") else rank))


def _is_update(target: tuple[int, ...], up: tuple[int, ...], down: tuple[int, ...]) -> bool:
    """Whether the product of two matrices of these shapes can be added to what has the shape `target`."""
    return len(up) == len(down) == 2 and up[1] == down[0] and target == (up[0], down[1])
