"""Greedy writing on ONNX Runtime with the graphs that onnx_t5.py makes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


class Writer:
    """Greedy writing; keys and values stay in the runtime's memory from step to step."""

    def __init__(self, folder: Path, config: Mapping[str, Any], threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._encoder, self._decoder = (
            onnxruntime.InferenceSession(str(folder / name), options, ["CPUExecutionProvider"]) for name in ("encoder.onnx", "decoder.onnx")
        )
        self._config = config
        self._distance = config["relative_attention_max_distance"]
        self._bias = {stack: np.load(folder / f"{stack}.npy") for stack in ("encoder", "decoder")}

    def write(self, sources: Sequence[Sequence[int]], tokens: int, end: int) -> np.ndarray:
        """Ids of shape [sources, at most `tokens`], written until every row holds `end`; the sources are equally long."""
        value = onnxruntime.OrtValue.ortvalue_from_numpy
        read, layers = len(sources[0]), range(self._config["num_decoder_layers"])
        places = np.arange(read)
        feeds = {"ids": value(np.array(sources)), "bias": value(self._biases("encoder", places[:, None], places))}
        names = [f"{layer}.{letter}" for layer in layers for letter in "kv"]
        state = dict(zip((f"cross.{name}" for name in names), self._encoder.run_with_ort_values(None, feeds), strict=True))
        empty = np.zeros((len(sources), self._config["num_heads"], 0, self._config["d_kv"]), np.float32)
        state.update({f"past.{name}": value(empty) for name in names})
        ids, written, ended = value(np.zeros((len(sources), 1), np.int64)), [], np.zeros(len(sources), bool)
        for step in range(tokens):
            bias = value(self._biases("decoder", np.array([[step]]), np.arange(step + 1)))
            ids, *past = self._decoder.run_with_ort_values(None, {**state, "ids": ids, "bias": bias})
            state.update(zip((f"past.{name}" for name in names), past, strict=True))
            written.append(ids.numpy()[:, 0])
            ended |= written[-1] == end
            if ended.all():
                break
        return np.stack(written, axis=1)

    def _biases(self, stack: str, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Shape [1, heads, queries, keys]."""
        table = self._bias[stack]
        index = np.clip(keys - queries + self._distance, 0, table.shape[1] - 1)
        return np.ascontiguousarray(table[:, index])[None]
