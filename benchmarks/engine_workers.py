"""One engine in a process of its own, for engine.py: loads a model, then runs it each time a line comes in.

python benchmarks/engine_workers.py ENGINE FOLDER THREADS     (lines: "FIRST COUNT TOKENS"; an empty line ends it)

From the sources of the folder, beginning anew behind the last, COUNT ones are written together, until the end or for TOKENS pieces.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

END = 1
Ids = list[list[int]]
Run = Callable[[Ids, int], Ids]
Made = tuple[float, Run, Path]


def ours(kind: str, folder: Path, threads: int) -> Made:
    from promptopt.engine.compiled import CompiledEngine
    from promptopt.engine.modelfile import ModelFile
    from promptopt.engine.portable import PortableEngine
    from promptopt.engine.protocol import Decoding

    imported = time.perf_counter()
    path = folder / ("int8.bin" if kind == "int8" else "float32.bin")
    model = ModelFile(path)
    engine = PortableEngine(model) if kind == "portable" else CompiledEngine(model, threads, drafts=(folder / "drafts.ids").read_bytes())
    never = threading.Event()

    decoding = Decoding(**json.loads((folder / "decoding.json").read_text()))

    def run(sources: Ids, tokens: int) -> Ids:
        written = engine.batch(sources, replace(decoding, limit=tokens), never)
        return [[token.id for token in row] for row in written]

    return imported, run, path


def ctranslate2(kind: str, folder: Path, threads: int) -> Made:
    import ctranslate2

    imported = time.perf_counter()
    path = folder / f"ctranslate2-{'float32' if kind == 'bfloat16' else kind}"
    translator = ctranslate2.Translator(str(path), compute_type=kind.removesuffix("_written"), inter_threads=1, intra_threads=threads)
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    names = ["<pad>", "</s>", "<unk>", *(f"<{number}>" for number in range(3, vocabulary))]
    ids = {name: number for number, name in enumerate(names)}

    def run(sources: Ids, tokens: int) -> Ids:
        pieces = [[names[index] for index in source] for source in sources]
        written = translator.translate_batch(pieces, beam_size=1, max_decoding_length=tokens, return_end_token=True)
        return [[ids[name] for name in row.hypotheses[0]] for row in written]

    return imported, run, path


def transformers(kind: str, folder: Path, threads: int) -> Made:
    """float32 merged, the same with its adapter unmerged, bfloat16, and torch's dynamic int8."""
    import torch
    import transformers

    if kind == "unmerged":
        import peft

    imported = time.perf_counter()
    torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    path = folder / ("unmerged" if kind == "unmerged" else "merged")
    dtype = torch.bfloat16 if kind == "bfloat16" else torch.float32
    model = transformers.T5ForConditionalGeneration.from_pretrained(path, dtype=dtype).eval()
    if kind == "unmerged":
        model = peft.PeftModel.from_pretrained(model, str(path / "adapter")).eval()
    if kind == "int8":
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)

    def run(sources: Ids, tokens: int) -> Ids:
        with torch.inference_mode():
            written = model.generate(input_ids=torch.tensor(sources), max_new_tokens=tokens, do_sample=False, num_beams=1)
        ids: Ids = written[:, 1:].tolist()
        return ids

    return imported, run, path


def onnxruntime(kind: str, folder: Path, threads: int) -> Made:
    from onnx_greedy import Writer

    imported = time.perf_counter()
    config = json.loads((folder / "config.json").read_text())
    path = folder / f"onnxruntime-{kind}"
    writer = Writer(path, config, threads)
    return imported, lambda sources, tokens: writer.write(sources, tokens, END).tolist(), path


ENGINES: Mapping[str, Callable[[str, Path, int], Made]] = {
    "ours": ours,
    "ctranslate2": ctranslate2,
    "transformers": transformers,
    "onnxruntime": onnxruntime,
}


def memory(entry: str) -> float:
    """Megabytes of this process: VmRSS now, VmHWM at most. Linux only."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(entry):
            return int(line.split()[1]) / 1024
    return 0.0


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size


def main() -> None:
    name, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        assert os.environ[variable] == str(threads)
    started = time.perf_counter()
    maker, kind = name.split("-")
    imported, run, path = ENGINES[maker](kind, folder, threads)
    loaded = time.perf_counter()
    sources = json.loads((folder / "sources.json").read_text())
    print(json.dumps({"import_s": imported - started, "load_s": loaded - imported, "disk_mb": size(path) / 1e6}), flush=True)
    for line in sys.stdin:
        if not line.strip():
            break
        first, count, tokens = map(int, line.split())
        chosen = [sources[number % len(sources)] for number in range(first, first + count)]
        started, worked = time.perf_counter(), time.process_time()
        written = run(chosen, tokens)
        seconds, processor = time.perf_counter() - started, time.process_time() - worked
        print(json.dumps({"seconds": seconds, "processor": processor, "written": written}), flush=True)
    print(json.dumps({"peak_mb": memory("VmHWM"), "resident_mb": memory("VmRSS")}), flush=True)


if __name__ == "__main__":
    main()
