"""Greedy writing with our engine and with what else one could install: the same weights, the same prompts, one after the other.

    python benchmarks/engine.py [--quick] [--shapes mini base] [--rounds 7] [--engines ours-int8 …] [--busy] [--plot engine.png]

mini is the embedded model with the adapter that a rewrite takes unless told otherwise, on the prompts of rewrite.py, each written to its
end: ours as it ships, with its guesses, the rules of what may be written and a head without the pieces that are only read; the others
greedily with the whole head, as one would run them, and those that end in _written with the short head too. equal_texts is the share of
prompts for which an engine writes what transformers writes. base (the shape of flan-t5-base) and tiny have random weights, and a prompt
of which the end is never written.

Each engine is a process of its own. It is tried at one thread and at two, and goes on with what was faster; then the runs go round by round
through all engines, so that whatever else the machine does falls on all alike. A ratio is one of pieces a second, the median over the
rounds. Where others need the processor, --busy keeps every engine on one thread and counts the processor time that it took. What the
others are, and what to install for them: README.md. The last line is one JSON object.
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
from engine_prepare import Network, drawn, prepare, shipped
from engine_weights import SHAPES, weight_bytes

OURS = ("ours-int8", "ours-float16", "ours-portable")
TORCH = ("transformers-float32", "transformers-unmerged", "transformers-bfloat16", "transformers-int8")
ONNX = ("onnxruntime-float32", "onnxruntime-int8", "onnxruntime-int4")
WRITTEN = ("ctranslate2-float32_written", "ctranslate2-int8_written", *(f"{engine}_written" for engine in ONNX))
SHIPPED = {"mini": "ours-float16", "base": "ours-int8", "tiny": "ours-float16"}
BATCH = 32


@dataclass
class Worker:
    """An engine in its process, and what was measured of it."""

    engine: str
    threads: int
    process: subprocess.Popen[str]
    start: Mapping[str, float] = field(default_factory=dict)
    end: Mapping[str, float] = field(default_factory=dict)
    pieces: Sequence[Sequence[int]] = ()
    whole: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)

    def read(self) -> Mapping[str, Any]:
        assert self.process.stdout is not None
        answer: Mapping[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, line: str) -> Mapping[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def write(self, prompts: int, tokens: int, clock: str) -> float:
        """Pieces a second over so many prompts, one after the other; `pieces` holds what was written."""
        answers = [self.ask(f"{number} 1 {tokens}") for number in range(prompts)]
        self.pieces = [answer["written"][0] for answer in answers]
        return sum(map(len, self.pieces)) / sum(answer[clock] for answer in answers)

    def write_together(self, tokens: int, clock: str) -> float:
        """Pieces a second over a batch."""
        answer = self.ask(f"0 {BATCH} {tokens}")
        return sum(map(len, answer["written"])) / float(answer[clock])

    def finish(self) -> None:
        self.end = self.ask("")
        self.process.wait()


def start(engine: str, folder: Path, threads: int) -> Worker:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, str(Path(__file__).parent / "engine_workers.py"), engine, str(folder), str(threads)]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    worker = Worker(engine, threads, process)
    worker.start = worker.read()
    return worker


def faster(engine: str, folder: Path, prompts: int, tokens: int, numbers: Sequence[int]) -> Worker:
    """The engine at that number of threads at which it wrote sooner, the better of two tries; the others are ended."""
    tried = [start(engine, folder, threads) for threads in numbers]
    speeds = {}
    for worker in tried:
        worker.write(prompts, tokens, "seconds")
        if len(numbers) > 1:
            speeds[worker.threads] = max(worker.write(prompts, tokens, "seconds") for _ in range(2))
    chosen, *others = sorted(tried, key=lambda worker: -speeds.get(worker.threads, 0))
    for other in others:
        other.finish()
    return chosen


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


def measure(shape: str, network: Network, engines: Sequence[str], rounds: int, busy: bool) -> tuple[list[Worker], float]:
    """The engines, and the bandwidth of as many processes as they may have threads, the best one of the rounds."""
    numbers, clock = ((1,), "processor") if busy else ((1, 2), "seconds")
    prompts, tokens = len(network.sources) if shape == "mini" else 1, network.decoding.limit
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(network, folder, engines)
        workers = [faster(engine, folder, prompts, tokens, numbers) for engine in engines]
        speeds = []
        for _ in range(rounds):
            speeds.append(bandwidth(len(numbers)))
            for worker in workers:
                worker.first.append(worker.ask("0 1 1")[clock])
                worker.whole.append(worker.write(prompts, tokens, clock))
                if worker.engine == SHIPPED[shape]:
                    worker.together.append(worker.write_together(tokens, clock))
        for worker in workers:
            worker.finish()
    return workers, max(speeds)


def ratio(slower: Worker, faster: Worker) -> float:
    """How many times faster, median over the rounds."""
    return round(statistics.median(other / one for one, other in zip(slower.whole, faster.whole, strict=True)), 2)


def equal(worker: Worker, reference: Worker) -> float:
    """The share of the prompts for which one wrote what the other wrote, to the last piece."""
    return statistics.mean(one == other for one, other in zip(worker.pieces, reference.pieces, strict=True))


def rows(shape: str, workers: Sequence[Worker], written: int, speed: float) -> list[dict[str, Any]]:
    reference = next((worker for worker in workers if worker.engine == TORCH[0]), workers[0])
    table = []
    for worker in workers:
        pieces = statistics.median(worker.whole)
        table.append(
            {
                "shape": shape,
                "engine": worker.engine,
                "threads": worker.threads,
                "tokens_per_s": round(pieces, 1),
                "share_of_limit": round(weight_bytes(shape, worker.engine, written) * pieces / speed, 3),
                "equal_texts": round(equal(worker, reference), 3),
                "first_token_s": round(statistics.median(worker.first), 4),
                **{key: round(value, 3) for key, value in {**worker.start, **worker.end}.items()},
            }
        )
    return table


def ratios(shape: str, workers: Sequence[Worker], written: int, speed: float) -> dict[str, float]:
    """What the shipped form of this shape is held to; `best` is the fastest in the median, of those named."""
    by_name = {worker.engine: worker for worker in workers}
    own = by_name[SHIPPED[shape]]
    batched = statistics.median(together / one for one, together in zip(own.whole, own.together, strict=True))
    found = {f"{shape}_batch_of_{BATCH}": round(batched, 2)}
    if TORCH[0] in by_name:
        found[f"{shape}_vs_transformers"] = ratio(by_name[TORCH[0]], own)
    others = [worker for worker in workers if worker.engine.partition("-")[0] != "ours"]
    for name, rivals in (
        ("best_other", others),
        ("best_other_of_equal_text", [worker for worker in others if equal(worker, own) == 1]),
        ("best_other_with_whole_head", [worker for worker in others if worker.engine not in WRITTEN]),
        ("best_ctranslate2", [worker for worker in others if worker.engine.startswith("ctranslate2")]),
    ):
        if rivals:
            found[f"{shape}_vs_{name}"] = ratio(max(rivals, key=lambda worker: statistics.median(worker.whole)), own)
    if "ours-int8" in by_name:
        pieces = statistics.median(by_name["ours-int8"].whole)
        found[f"{shape}_share_of_int8_limit"] = round(weight_bytes(shape, "ours-int8", written) * pieces / speed, 3)
    return found


def plot(table: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Pieces a second of every engine, a panel for each shape, with the share of what the memory could deliver."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shapes = list(dict.fromkeys(row["shape"] for row in table))
    figure, panels = pyplot.subplots(1, len(shapes), figsize=(6.5 * len(shapes), 5), squeeze=False)
    for panel, shape in zip(panels[0], shapes, strict=True):
        chosen = sorted((row for row in table if row["shape"] == shape), key=lambda row: row["tokens_per_s"])
        bars = panel.barh([f"{row['engine']} ({row['threads']})" for row in chosen], [row["tokens_per_s"] for row in chosen])
        labels = [f"{row['tokens_per_s']:.0f}, {row['share_of_limit']:.0%} of its limit" for row in chosen]
        panel.bar_label(bars, labels, padding=3, fontsize=8)
        panel.set(title=shape, xlabel="pieces a second (threads in brackets)", xlim=(0, 1.4 * chosen[-1]["tokens_per_s"]))
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = sorted(ctranslate2.get_supported_compute_types("cpu"))
    everything = [*OURS, *TORCH, *(f"ctranslate2-{kind}" for kind in kinds), *ONNX, *WRITTEN]
    parser.add_argument("--quick", action="store_true", help="a tiny network, a few pieces: only that it runs")
    parser.add_argument("--busy", action="store_true", help="one thread and processor time: for a machine with other work")
    parser.add_argument("--shapes", nargs="+", choices=sorted(SHAPES), default=["mini", "base"])
    parser.add_argument("--engines", nargs="+", choices=everything, default=everything)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=100, help="pieces to be written by the shape base")
    parser.add_argument("--plot", type=Path, help="where to write a picture of the table")
    asked = parser.parse_args()
    shapes, rounds, tokens = (["tiny"], 2, 8) if asked.quick else (asked.shapes, asked.rounds, asked.tokens)
    table: list[dict[str, Any]] = []
    found: dict[str, float] = {}
    for shape in shapes:
        network = shipped() if shape == "mini" else drawn(shape, BATCH, tokens)
        written = network.decoding.written
        engines = [engine for engine in asked.engines if written or engine not in WRITTEN]
        workers, speed = measure(shape, network, engines, rounds, asked.busy)
        print(f"{shape}: {rounds} rounds, the memory delivers {speed / 1e9:.1f} GB/s")
        found.update(ratios(shape, workers, written, speed))
        table += rows(shape, workers, written, speed)
    keys = list(table[0])
    for line in [keys, ["---"] * len(keys), *([str(row[key]) for key in keys] for row in table)]:
        print("| " + " | ".join(line) + " |")
    if asked.plot:
        plot(table, asked.plot)
    print(json.dumps({"rows": table, "ratios": found}))


if __name__ == "__main__":
    main()
