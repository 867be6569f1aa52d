"""Many clients of one `promptopt serve` against one client, interleaved; then memory over thousands of requests.

    python benchmarks/http_load.py [--clients 64] [--rounds 5] [--seconds 10] [--requests 10000] [--adapter golden]

Every prompt is another one, and each answer has to hold its own, word for word; at the end the server has to have counted as many
answers as were read. A round is so many seconds of one client and as many of all of them. The last line is JSON: throughput in rewrites a
second (medians of the rounds), their ratio (median of the rounds' ratios), the size of the batches, and the server's resident memory in MB
after each tenth of the requests.
"""

import argparse
import itertools
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2

TASKS = (
    "create function",
    "plan a workshop on testing",
    "write a letter to the landlord",
    "fix the bug in the parser",
    "compare two databases",
)


@contextmanager
def serving(adapter: str) -> Iterator[tuple[int, str]]:
    """The server's process and address."""
    command = [sys.executable, "-m", "promptopt", "serve", "--port", "0", "--adapter", adapter]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            yield process.pid, process.stderr.readline().rpartition(" ")[2].strip()
        finally:
            process.terminate()


class Clients:
    """Clients of one server; all prompts are different."""

    def __init__(self, address: str, count: int) -> None:
        self._numbers = itertools.count()
        self._clients = [httpx2.Client(base_url=address, timeout=300) for _ in range(count)]
        self._pool = ThreadPoolExecutor(count)
        self.answered = 0

    def _ask(self, client: httpx2.Client) -> None:
        number = next(self._numbers)
        prompt = f"{TASKS[number % len(TASKS)]} ({number})"
        answer = client.post("/optimize", json={"prompt": prompt})
        assert answer.status_code == 200, answer.text
        assert answer.json()["optimized_prompt"].count(prompt) == 1, answer.text

    def throughput(self, count: int, seconds: float) -> float:
        """Rewrites a second with so many clients at once."""

        def work(client: httpx2.Client) -> int:
            asked = 0
            while time.perf_counter() < end:
                self._ask(client)
                asked += 1
            return asked

        begun = time.perf_counter()
        end = begun + seconds
        done = sum(self._pool.map(work, self._clients[:count]))
        self.answered += done
        return done / (time.perf_counter() - begun)

    def answer(self, requests: int) -> None:
        """Asks so many from all clients at once."""
        left = itertools.repeat(None, requests)

        def work(client: httpx2.Client) -> int:
            asked = 0
            for _ in left:
                self._ask(client)
                asked += 1
            return asked

        self.answered += sum(self._pool.map(work, self._clients))


def resident(process: int) -> float:
    """MB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return round(int(found.group(1)) / 1024, 1)


def metric(address: str, name: str) -> float:
    lines = httpx2.get(f"{address}/metrics", timeout=300).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--adapter", default="golden")
    options = parser.parse_args()
    with serving(options.adapter) as (process, address):
        clients = Clients(address, options.clients)
        clients.answer(options.clients)
        alone, together = [], []
        for number in range(options.rounds):
            alone.append(clients.throughput(1, options.seconds))
            together.append(clients.throughput(options.clients, options.seconds))
            print(f"round {number + 1}: {alone[-1]:.1f} alone, {together[-1]:.1f} together, {together[-1] / alone[-1]:.2f} x", flush=True)
        batch = metric(address, "promptopt_batch_prompts_sum") / metric(address, "promptopt_batch_prompts_count")
        memory = [resident(process)]
        for tenth in range(10):
            clients.answer(options.requests // 10)
            memory.append(resident(process))
            print(f"{(tenth + 1) * options.requests // 10} requests: {memory[-1]} MB", flush=True)
        counted = metric(address, 'promptopt_requests_total{path="/optimize",status="200"}')
    assert counted == clients.answered, (counted, clients.answered)
    ratios = [many / one for many, one in zip(together, alone, strict=True)]
    figures = {
        "clients": options.clients,
        "alone": round(statistics.median(alone), 1),
        "together": round(statistics.median(together), 1),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
        "prompts_in_a_batch": round(batch, 1),
        "answered": clients.answered,
        "requests": options.requests,
        "memory_mb": memory,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
