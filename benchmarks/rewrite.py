"""Seconds a rewrite with the embedded model, one processor thread against two, interleaved prompt by prompt.

python benchmarks/rewrite.py [--rounds 5]
"""

import argparse
import json
import statistics

from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

PROMPTS = (
    "create function",
    "write unit tests for my parser",
    "why is my sql query slow",
    "write an email to my landlord about the broken heating",
    "plan a workshop on code review for a team of eight people who have never done it",
)


def measure(rounds: int) -> dict[int, list[tuple[float, int]]]:
    """For one and two threads, (seconds, pieces) of every rewrite after one to warm up."""
    optimizers = {threads: Optimizer(Settings(threads=threads)) for threads in (1, 2)}
    for optimizer in optimizers.values():
        optimizer.optimize(PROMPTS[0])
    found: dict[int, list[tuple[float, int]]] = {threads: [] for threads in optimizers}
    for _ in range(rounds):
        for prompt in PROMPTS:
            for threads, optimizer in optimizers.items():
                rewrite = optimizer.optimize(prompt)
                found[threads].append((rewrite.seconds, rewrite.tokens))
    return found


def main() -> None:
    """Prints a line for each number of threads and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    found = measure(parser.parse_args().rounds)
    rows = []
    for threads, runs in found.items():
        seconds = statistics.median(run[0] for run in runs)
        pieces = sum(run[1] for run in runs) / sum(run[0] for run in runs)
        rows.append({"threads": threads, "median_seconds": round(seconds, 4), "pieces_per_second": round(pieces, 1)})
        print(f"threads {threads}: {seconds:.3f} s a rewrite (median), {pieces:.0f} pieces a second")
    print(json.dumps({"rows": rows, "two_threads_over_one": round(rows[1]["median_seconds"] / rows[0]["median_seconds"], 2)}))


if __name__ == "__main__":
    main()
