"""What a rewrite costs against the length of its prompt and the size of its batch: seconds and memory of the embedded model.

    python benchmarks/scaling.py [--quick] [--rounds 3] [--plot scaling.png]

Each size is a process of its own, so that its peak memory is its own; rounds go through all sizes. Seconds are split into reading (up to
the first piece) and writing, because the writer's words are read once and pointed at: what is written has a length of its own. Prompts are
cut from one text of everyday words. Seconds are those of the processor, on one thread. The last line is one JSON object.
"""

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

WORDS = (5, 20, 50, 100, 200, 400, 1000, 2000)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
PIECES = 60
"Written for each row of a batch: fewer than any rewrite has, so that every row writes as many."
TEXT = "write a function that reads the lines of a file and counts how often each word occurs in it then print the most frequent ten "


def prompt(words: int) -> str:
    return " ".join((TEXT * (words // 20 + 1)).split()[:words])


def run_one(kind: str, size: int) -> Mapping[str, float]:
    """In a process of its own: a prompt of `size` words, or a batch of `size` prompts."""
    from promptopt.adapters.locate import access_for, locate
    from promptopt.engine.compiled import CompiledEngine
    from promptopt.engine.loader import compiled_model
    from promptopt.engine.model import decoding_of
    from promptopt.settings import Settings

    settings = Settings()
    bundle = locate(settings.adapter, access_for(settings)).bundle()
    model = compiled_model(bundle)
    engine, codec, never = CompiledEngine(model, 1, drafts=bundle.drafts()), bundle.codec(), threading.Event()
    idle = memory()
    decoding = decoding_of(bundle.manifest, codec)
    started = time.process_time()
    if kind == "words":
        source = codec.encode_prompt(prompt(size), bundle.manifest.read_limit)
        list(engine.stream(source, replace(decoding, limit=1), never))
        read = time.process_time() - started
        written = len(list(engine.stream(source, decoding, never)))
        whole = time.process_time() - started - read
        seconds = {"read_s": read, "write_s": max(0.0, whole - read)}
        return {"read": len(source), "written": written, **seconds, "peak_mb": memory(), "idle_mb": idle}
    rows = [codec.encode_prompt(prompt(10 + number % 7), 512) for number in range(size)]
    written = sum(len(row) for row in engine.batch(rows, replace(decoding, limit=PIECES), never))
    return {"written": written, "seconds": time.process_time() - started, "peak_mb": memory(), "idle_mb": idle}


def memory() -> float:
    """Megabytes of this process at most so far. Linux only."""
    return next(int(line.split()[1]) / 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))


def measure(sizes: Mapping[str, Sequence[int]], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """For each kind a row a size, medians over the rounds."""
    found: dict[tuple[str, int], list[Mapping[str, float]]] = {}
    for _ in range(rounds):
        for kind, numbers in sizes.items():
            for size in numbers:
                command = [sys.executable, __file__, "--one", kind, str(size)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found.setdefault((kind, size), []).append(json.loads(done.stdout))
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in sizes}
    for (kind, size), runs in found.items():
        rows[kind].append({kind: size, **{key: round(statistics.median(run[key] for run in runs), 4) for key in runs[0]}})
    return rows


def plot(rows: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, ((left, right), (below, last)) = pyplot.subplots(2, 2, figsize=(11, 8))
    words = [row["words"] for row in rows["words"]]
    left.plot(words, [row["read_s"] for row in rows["words"]], marker="o", label="reading, and the first piece")
    left.plot(words, [row["write_s"] for row in rows["words"]], marker="o", label="writing the rest")
    left.set(xlabel="words of the prompt", ylabel="processor seconds", xscale="log", yscale="log")
    left.legend()
    below.plot(words, [row["peak_mb"] for row in rows["words"]], marker="o")
    below.set(xlabel="words of the prompt", ylabel="peak memory, MB", xscale="log", ylim=(0, None))
    sizes = [row["batch"] for row in rows["batch"]]
    right.plot(sizes, [row["written"] / row["seconds"] for row in rows["batch"]], marker="o")
    right.set(xlabel="prompts in a batch", ylabel="pieces a processor second", xscale="log", ylim=(0, None))
    last.plot(sizes, [row["peak_mb"] for row in rows["batch"]], marker="o")
    last.set(xlabel="prompts in a batch", ylabel="peak memory, MB", xscale="log", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Prints a table for each kind and, last, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three sizes of each, once: only that it runs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plot", type=Path, help="where to write a picture of the tables")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "SIZE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(run_one(asked.one[0], int(asked.one[1]))))
        return
    sizes = {"words": WORDS[::3], "batch": BATCHES[::3]} if asked.quick else {"words": WORDS, "batch": BATCHES}
    rows = measure(sizes, 1 if asked.quick else asked.rounds)
    for table in rows.values():
        for line in [list(table[0]), ["---"] * len(table[0]), *([str(value) for value in row.values()] for row in table)]:
            print("| " + " | ".join(line) + " |")
        print()
    if asked.plot:
        plot(rows, asked.plot)
    first, longest = rows["words"][0], rows["words"][-1]
    each = {name: row["read_s"] / row["read"] for name, row in (("short", first), ("long", longest))}
    print(json.dumps({**rows, "reading_a_piece_long_over_short": round(each["long"] / each["short"], 2)}))


if __name__ == "__main__":
    main()
