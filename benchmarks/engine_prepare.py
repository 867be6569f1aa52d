"""Writes one network in the form that each engine of engine.py reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ctranslate2_t5 import convert
from engine_weights import COMMON, RANK, SHAPES, Weights, make_adapter, make_weights, sources
from onnx_t5 import export, quantize
from rewrite import PROMPTS
from safetensors.numpy import save_file

from promptopt.adapters.locate import access_for, locate
from promptopt.bundle import WEIGHTS, read_json
from promptopt.engine.compiler import write_model
from promptopt.engine.model import decoding_of
from promptopt.engine.modelfile import ModelWriter
from promptopt.engine.protocol import Decoding
from promptopt.engine.weights import load_weights, merge_adapter
from promptopt.settings import Settings

LORA = {"peft_type": "LORA", "task_type": "SEQ_2_SEQ_LM", "r": RANK, "lora_alpha": RANK, "target_modules": ["q", "v"]}


@dataclass(frozen=True)
class Network:
    """What all engines run, what they read, and how ours chooses what it writes."""

    config: Mapping[str, Any]
    base: Weights
    adapter: Weights
    lora: Mapping[str, Any]
    sources: Sequence[Sequence[int]]
    decoding: Decoding
    drafts: bytes = b""


def shipped() -> Network:
    """The embedded base with the adapter that a rewrite takes unless told otherwise, on prompts such as people write."""
    settings = Settings()
    bundle = locate(settings.adapter, access_for(settings)).bundle()
    codec = bundle.codec()
    return Network(
        read_json(bundle.base / "config.json"),
        dict(load_weights(bundle.base / WEIGHTS)),
        dict(load_weights(bundle.adapter / "adapter_model.safetensors")),
        read_json(bundle.adapter / "adapter_config.json"),
        [codec.encode_prompt(prompt, bundle.manifest.read_limit) for prompt in PROMPTS],
        decoding_of(bundle.manifest, codec),
        bundle.drafts(),
    )


def drawn(shape: str, count: int, tokens: int) -> Network:
    """Random weights in a shape, and random prompts."""
    config = {**COMMON, **SHAPES[shape]}
    base = make_weights(config)
    return Network(config, base, make_adapter(base), LORA, sources(count, config["vocab_size"]), Decoding(tokens))


def prepare(network: Network, folder: Path, engines: Sequence[str]) -> None:
    """Into `folder`, for these engines: a base with an adapter, merged for all but one of them, and what they are to read."""
    config, written = network.config, network.decoding.written
    merged: Weights = dict(merge_adapter(network.base, network.adapter, network.lora))  # type: ignore[arg-type]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "sources.json").write_text(json.dumps(network.sources))
    (folder / "drafts.ids").write_bytes(network.drafts)
    (folder / "decoding.json").write_text(json.dumps(asdict(network.decoding)))
    if "transformers-unmerged" in engines:
        _save(folder / "unmerged", config, network.base)
        (folder / "unmerged" / "adapter").mkdir()
        (folder / "unmerged" / "adapter" / "adapter_config.json").write_text(json.dumps(network.lora))
        save_file(network.adapter, folder / "unmerged" / "adapter" / "adapter_model.safetensors")
    if any(engine.startswith("transformers") for engine in engines):
        _save(folder / "merged", config, merged)
    for quantization in ("int8", "float32"):
        with (folder / f"{quantization}.bin").open("wb") as file:
            write_model(ModelWriter(file, quantization), config, merged)  # type: ignore[arg-type]
    for kind in sorted({engine.split("-")[1].replace("bfloat16", "float32") for engine in engines if engine.startswith("ctranslate2")}):
        own = {name: values.copy() for name, values in merged.items()}  # it quantizes in place
        short = written if kind.endswith("_written") else None
        convert(config, own, folder / f"ctranslate2-{kind}", None if kind.startswith("float32") else kind.removesuffix("_written"), short)
    for ending in ("", "_written"):
        if any(engine.startswith("onnxruntime") and engine.endswith("_written") == bool(ending) for engine in engines):
            export(config, merged, folder / f"onnxruntime-float32{ending}", written if ending else None)
            for bits in (8, 4):
                quantize(folder / f"onnxruntime-float32{ending}", folder / f"onnxruntime-int{bits}{ending}", bits)


def _save(folder: Path, config: Mapping[str, Any], weights: Weights) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
