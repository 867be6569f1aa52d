"""How soon it is there, and what it keeps: starting from nothing, against what one starts from nothing otherwise; memory when idle.

python benchmarks/start.py [--quick] [--rounds 5]

`initialize` of our language server against that of a bare pygls server; the first rewrite of a cold process (the compiled form is in the
cache) against `import torch, transformers, peft` alone; resident memory of the language server that has done a rewrite and waits. Rounds
are interleaved, ratios are medians. Beside the seconds stand those of the processor, which other work on the machine touches less. Linux.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from soak import Server

OURS = [sys.executable, "-m", "promptopt.lsp.cli", "--stdio"]
BARE = [sys.executable, "-c", "from pygls.lsp.server import LanguageServer; LanguageServer('bare', '1').start_io()"]
REWRITE = [sys.executable, "-m", "promptopt", "optimize", "create function"]
IMPORTS = [sys.executable, "-c", "import torch, transformers, peft"]
Seconds = tuple[float, float]


def initialized(command: list[str]) -> Seconds:
    """Until `initialize` is answered."""
    started = time.perf_counter()
    server = Server(command)
    seconds = time.perf_counter() - started
    processor = int((Path("/proc") / str(server.process.pid) / "schedstat").read_text().split()[0]) / 1e9
    server.end()
    return seconds, processor


def run(command: list[str]) -> Seconds:
    """Until the command has ended."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime


def idle_memory(wait: float) -> float:
    """Megabytes of the language server, `wait` seconds after a rewrite."""
    server = Server(OURS)
    answer, text = server.answer(server.rewrite("create function"))
    assert "error" not in answer
    assert "create function" in text
    time.sleep(wait)
    resident = server.sample(1).resident_mb
    server.end()
    return resident


def main() -> None:
    """Prints a line for each thing measured and, last, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round, without torch: only that it runs")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    jobs: Mapping[str, Callable[[], Seconds]] = {
        "initialize": lambda: initialized(OURS),
        "initialize_bare_pygls": lambda: initialized(BARE),
        "first_rewrite": lambda: run(REWRITE),
        "import_torch_transformers_peft": lambda: run(IMPORTS),
    }
    chosen = list(jobs)[: 3 if asked.quick else 4]
    run(REWRITE)  # compiles, where that was not done yet
    rounds = [{name: jobs[name]() for name in chosen} for _ in range(1 if asked.quick else asked.rounds)]
    found: dict[str, float] = {}
    for name in chosen:
        for number, clock in enumerate(("seconds", "processor_seconds")):
            found[f"{name}_{clock}"] = round(statistics.median(row[name][number] for row in rounds), 3)
        print(f"{name}: {found[f'{name}_seconds']} s, {found[f'{name}_processor_seconds']} s of processor time")
    for one, other in (("initialize", "initialize_bare_pygls"), ("first_rewrite", "import_torch_transformers_peft")):
        if other in chosen:
            for number, clock in enumerate(("seconds", "processor_seconds")):
                ratio = statistics.median(row[one][number] / row[other][number] for row in rounds)
                found[f"{one}_over_{other}_{clock}"] = round(ratio, 2)
                print(f"{one} over {other}, {clock}: {ratio:.2f}")
    found["idle_resident_mb"] = round(idle_memory(0.5 if asked.quick else 5), 1)
    print(f"idle after a rewrite: {found['idle_resident_mb']} MB resident")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
