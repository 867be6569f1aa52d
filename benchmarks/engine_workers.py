"""One engine in a process of its own, for engine.py: loads a model, then runs it each time a line comes in.

python benchmarks/engine_workers.py ENGINE FOLDER THREADS     (lines: "COUNT_OF_SOURCES TOKENS"; an empty line ends it)
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

WORDS = 32
Run = Callable[[int, int], None]
Made = tuple[float, Run, Path]

SHAPES: Mapping[str, dict[str, Any]] = {
    "mini": {"d_model": 256, "d_kv": 32, "num_heads": 8, "d_ff": 768, "num_layers": 6, "num_decoder_layers": 2, "vocab_size": 12288},
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


def make_weights(shape: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Random weights of a size at which nothing explodes. The end is never likeliest, so all engines write equally many pieces."""
    draw = np.random.default_rng(1)
    d, inner, ff = shape["d_model"], shape["num_heads"] * shape["d_kv"], shape["d_ff"]
    weights: dict[str, np.ndarray] = {}

    def add(name: str, rows: int, columns: int, deviation: float) -> None:
        weights[f"{name}.weight"] = deviation * draw.standard_normal((rows, columns), np.float32)

    def norm(name: str) -> None:
        weights[f"{name}.weight"] = np.ones(d, np.float32)

    add("shared", shape["vocab_size"], d, 1.0)
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


def sources(count: int, vocabulary: int) -> list[list[int]]:
    """The same prompts for every engine."""
    draw = np.random.default_rng(2)
    return [[*map(int, draw.integers(3, vocabulary, WORDS - 1)), 1] for _ in range(count)]


def ours(kind: str, folder: Path, threads: int) -> Made:
    from promptopt.engine.compiled import CompiledEngine
    from promptopt.engine.modelfile import ModelFile
    from promptopt.engine.portable import PortableEngine
    from promptopt.engine.protocol import Decoding

    imported = time.perf_counter()
    path = folder / f"{'float32' if kind == 'portable' else kind}.bin"
    model = ModelFile(path)
    engine = PortableEngine(model) if kind == "portable" else CompiledEngine(model, threads)
    never = threading.Event()

    def run(count: int, tokens: int) -> None:
        written = engine.batch(sources(count, model.shape.vocabulary), Decoding(tokens), never)
        assert [len(row) for row in written] == [tokens] * count

    return imported, run, path


def ctranslate2(kind: str, folder: Path, threads: int) -> Made:
    import ctranslate2

    imported = time.perf_counter()
    path = folder / f"ctranslate2-{'float32' if kind in ('float32', 'bfloat16') else kind}"
    translator = ctranslate2.Translator(str(path), compute_type=kind, inter_threads=1, intra_threads=threads)
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    names = ["<pad>", "</s>", "<unk>"]

    def run(count: int, tokens: int) -> None:
        pieces = [[names[index] if index < 3 else f"<{index}>" for index in source] for source in sources(count, vocabulary)]
        written = translator.translate_batch(pieces, beam_size=1, max_decoding_length=tokens, min_decoding_length=tokens)
        assert [len(row.hypotheses[0]) for row in written] == [tokens] * count

    return imported, run, path


def transformers(kind: str, folder: Path, threads: int) -> Made:
    import torch
    import transformers

    imported = time.perf_counter()
    torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    model = transformers.T5ForConditionalGeneration.from_pretrained(folder, dtype=getattr(torch, kind)).eval()

    def run(count: int, tokens: int) -> None:
        asked = torch.tensor(sources(count, model.config.vocab_size))
        with torch.inference_mode():
            written = model.generate(asked, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, num_beams=1)
        assert written.shape == (count, tokens + 1)

    return imported, run, folder / "model.safetensors"


ENGINES: Mapping[str, Callable[[str, Path, int], Made]] = {"ours": ours, "ctranslate2": ctranslate2, "transformers": transformers}


def memory(entry: str) -> float:
    """Megabytes of this process: VmRSS now, VmHWM at most. Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(entry):
            return int(line.split()[1]) / 1024
    return 0.0


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size


def main() -> None:
    name, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        assert os.environ[variable] == str(threads)
    started = time.perf_counter()
    maker, kind = name.split("-")
    imported, run, path = ENGINES[maker](kind, folder, threads)
    loaded = time.perf_counter()
    print(json.dumps({"import_s": imported - started, "load_s": loaded - imported, "disk_mb": size(path) / 1e6}), flush=True)
    for line in sys.stdin:
        if not line.strip():
            break
        count, tokens = map(int, line.split())
        started = time.perf_counter()
        run(count, tokens)
        print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
    print(json.dumps({"peak_mb": memory("VmHWM"), "resident_mb": memory("VmRSS")}), flush=True)


if __name__ == "__main__":
    main()
