"""Greedy writing with our engine and with what else one could install: the same random weights, the same number of pieces.

    python benchmarks/engine.py [--quick] [--shapes mini base] [--rounds 7] [--engines ours-int8 …]

Each engine is a process of its own, at one thread and at two; the runs go round by round through all of them, so that whatever else the
machine does falls on all alike. A ratio is the median over the rounds. Needs the `dev` extra. The last line is one JSON object.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ctranslate2
from ctranslate2_t5 import convert
from engine_workers import COMMON, SHAPES, WORDS, make_weights
from safetensors.numpy import save_file

from promptopt.engine.compiler import write_model
from promptopt.engine.modelfile import ModelWriter

OURS = ("ours-int8", "ours-float32", "ours-portable")
TORCH = ("transformers-float32", "transformers-bfloat16")
BATCH = 32


@dataclass
class Worker:
    """An engine in its process, and what was measured of it."""

    engine: str
    threads: int
    process: subprocess.Popen[str]
    start: Mapping[str, float] = field(default_factory=dict)
    end: Mapping[str, float] = field(default_factory=dict)
    whole: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)

    def read(self) -> Mapping[str, float]:
        assert self.process.stdout is not None
        answer: Mapping[str, float] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, line: str) -> Mapping[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()


def prepare(shape: str, folder: Path, engines: Sequence[str]) -> None:
    """Writes the weights in the form that each of the engines reads."""
    config = {**COMMON, **SHAPES[shape]}
    weights = make_weights(config)
    (folder / "config.json").write_text(json.dumps(config))
    if any(engine in TORCH for engine in engines):
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    for quantization in ("int8", "float32"):
        with (folder / f"{quantization}.bin").open("wb") as file:
            write_model(ModelWriter(file, quantization), config, weights)  # type: ignore[arg-type]
    for engine in engines:
        maker, kind = engine.split("-")
        if maker == "ctranslate2" and kind != "bfloat16":
            convert(config, weights, folder / engine, None if kind == "float32" else kind)
    if "ctranslate2-bfloat16" in engines and "ctranslate2-float32" not in engines:
        convert(config, weights, folder / "ctranslate2-float32", None)


def start(engine: str, folder: Path, threads: int) -> Worker:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, str(Path(__file__).parent / "engine_workers.py"), engine, str(folder), str(threads)]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    worker = Worker(engine, threads, process)
    worker.start = worker.read()
    return worker


def bandwidth(processes: int) -> float:
    """Bytes a second that so many processes read from memory together."""
    code = (
        "import sys, time; data = bytes(2**28); sys.stdin.readline(); started = time.perf_counter()\n"
        "for _ in range(4): data.find(b'x')\n"
        "print(4 * len(data) / (time.perf_counter() - started))"
    )
    command = [sys.executable, "-c", code]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    time.sleep(1)
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in running)


def measure(shape: str, engines: Sequence[str], rounds: int, tokens: int) -> list[Worker]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(shape, folder, engines)
        workers = [start(engine, folder, threads) for engine in engines for threads in (1, 2)]
        for worker in workers:
            worker.ask(f"1 {min(tokens, 8)}")
        for _ in range(rounds):
            for worker in workers:
                worker.first.append(worker.ask("1 1")["seconds"])
                worker.whole.append(worker.ask(f"1 {tokens}")["seconds"])
        for worker in workers:
            if worker.engine == "ours-int8":
                worker.together = [worker.ask(f"{BATCH} {tokens}")["seconds"] for _ in range(min(3, rounds))]
            worker.end = worker.ask("")
            worker.process.wait()
    return workers


def best(workers: Sequence[Worker], engine: str) -> Worker:
    return min((worker for worker in workers if worker.engine == engine), key=lambda worker: statistics.median(worker.whole))


def weight_bytes(shape: str, engine: str) -> int:
    """Bytes of weights that the decoder and its head read for one piece."""
    numbers = SHAPES[shape]
    d, inner, ff = numbers["d_model"], numbers["num_heads"] * numbers["d_kv"], numbers["d_ff"]
    each = {"int8": 1, "bfloat16": 2, "int16": 2}.get(engine.split("-")[1].split("_")[0], 4)
    return each * (numbers["num_decoder_layers"] * (6 * d * inner + 3 * d * ff) + d * numbers["vocab_size"])


def ratio(slower: Worker, faster: Worker) -> float:
    """How many times faster, median over the rounds."""
    return round(statistics.median(one / other for one, other in zip(slower.whole, faster.whole, strict=True)), 2)


def rows(shape: str, workers: Sequence[Worker], tokens: int, speeds: Mapping[int, float]) -> list[dict[str, Any]]:
    table = []
    for worker in workers:
        seconds = statistics.median(worker.whole)
        table.append(
            {
                "shape": shape,
                "engine": worker.engine,
                "threads": worker.threads,
                "tokens_per_s": round(tokens / seconds, 1),
                "first_token_s": round(statistics.median(worker.first), 4),
                "share_of_limit": round(weight_bytes(shape, worker.engine) * tokens / seconds / speeds[2], 3),
                **{key: round(value, 3) for key, value in {**worker.start, **worker.end}.items()},
            }
        )
    return table


def ratios(shape: str, workers: Sequence[Worker], share: float) -> dict[str, float]:
    engines = sorted({worker.engine for worker in workers})
    own = best(workers, "ours-int8")
    found: dict[str, float] = {}
    others = [best(workers, engine) for engine in engines if engine not in OURS]
    if "transformers-float32" in engines:
        found[f"{shape}_vs_transformers"] = ratio(best(workers, "transformers-float32"), own)
    if others:
        found[f"{shape}_vs_best_other"] = min(ratio(other, own) for other in others)
    rivals = [other for other in others if other.engine.startswith("ctranslate2")]
    if rivals:
        found[f"{shape}_vs_best_ctranslate2"] = min(ratio(rival, own) for rival in rivals)
    batched = min((worker for worker in workers if worker.together), key=lambda worker: statistics.median(worker.together))
    found[f"{shape}_batch_of_{BATCH}"] = round(BATCH * statistics.median(own.whole) / statistics.median(batched.together), 2)
    found[f"{shape}_share_of_int8_limit"] = share
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = ("float32", "int8", *sorted(ctranslate2.get_supported_compute_types("cpu") & {"int16", "bfloat16", "int8_bfloat16"}))
    everything = [*OURS, *TORCH, *(f"ctranslate2-{kind}" for kind in kinds)]
    parser.add_argument("--quick", action="store_true", help="a tiny network, a few pieces: only that it runs")
    parser.add_argument("--shapes", nargs="+", choices=sorted(SHAPES), default=["mini", "base"])
    parser.add_argument("--engines", nargs="+", choices=everything, default=everything)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=100)
    asked = parser.parse_args()
    shapes, rounds, tokens = (["tiny"], 2, 8) if asked.quick else (asked.shapes, asked.rounds, asked.tokens)
    speeds = {processes: bandwidth(processes) for processes in (1, 2)}
    print(f"{WORDS} pieces read, {tokens} written, {rounds} rounds")
    print(f"memory: {speeds[1] / 1e9:.1f} GB/s by one process, {speeds[2] / 1e9:.1f} GB/s by two")
    table: list[dict[str, Any]] = []
    found: dict[str, float] = {}
    for shape in shapes:
        workers = measure(shape, asked.engines, rounds, tokens)
        lines = rows(shape, workers, tokens, speeds)
        own = best(workers, "ours-int8")
        share = next(line["share_of_limit"] for line in lines if (line["engine"], line["threads"]) == (own.engine, own.threads))
        found.update(ratios(shape, workers, share))
        table += lines
    keys = list(table[0])
    for line in [keys, *([str(row[key]) for key in keys] for row in table)]:
        print("| " + " | ".join(line) + " |")
    print(json.dumps({"rows": table, "ratios": found, "bandwidth": speeds}))


if __name__ == "__main__":
    main()
