"""Writes one network in the form that each engine of engine.py reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctranslate2_t5 import convert
from engine_weights import COMMON, RANK, SHAPES, Weights, make_adapter, make_weights
from onnx_t5 import export, quantize
from safetensors.numpy import save_file

from promptopt.engine.compiler import write_model
from promptopt.engine.modelfile import ModelWriter
from promptopt.engine.weights import merge_adapter

LORA = {"peft_type": "LORA", "task_type": "SEQ_2_SEQ_LM", "r": RANK, "lora_alpha": RANK, "target_modules": ["q", "v"]}


def prepare(shape: str, folder: Path, engines: Sequence[str]) -> None:
    """Into `folder`, for these engines: a base in half precision with an adapter, merged for all but one of them."""
    config = {**COMMON, **SHAPES[shape]}
    base = make_weights(config)
    adapter = make_adapter(base)
    merged: Weights = dict(merge_adapter(base, adapter, LORA))
    (folder / "config.json").write_text(json.dumps(config))
    if "transformers-unmerged" in engines:
        _save(folder / "unmerged", config, base)
        (folder / "unmerged" / "adapter").mkdir()
        (folder / "unmerged" / "adapter" / "adapter_config.json").write_text(json.dumps(LORA))
        save_file(adapter, folder / "unmerged" / "adapter" / "adapter_model.safetensors")
    if any(engine.startswith("transformers") for engine in engines):
        _save(folder / "merged", config, merged)
    for quantization in ("int8", "float32"):
        with (folder / f"{quantization}.bin").open("wb") as file:
            write_model(ModelWriter(file, quantization), config, merged)  # type: ignore[arg-type]
    for kind in sorted({engine.split("-")[1] for engine in engines if engine.startswith("ctranslate2")}):
        own = {name: values.copy() for name, values in merged.items()}  # it quantizes in place
        convert(config, own, folder / f"ctranslate2-{kind}", None if kind == "float32" else kind)
    if any(engine.startswith("onnxruntime") for engine in engines):
        export(config, merged, folder / "onnxruntime-float32")
        for bits in (8, 4):
            quantize(folder / "onnxruntime-float32", folder / f"onnxruntime-int{bits}", bits)


def _save(folder: Path, config: dict[str, Any], weights: Weights) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
