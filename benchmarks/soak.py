"""Rewrites and cancels through the language server in one process: does memory, a handle or a thread stay behind?

python benchmarks/soak.py [--rewrites 2000] [--cancels 200] [--minutes 600] [--plot soak.png]     (the embedded model; Linux)
python benchmarks/soak.py --fake                                                  (the server of the tests, which needs no weights)

Prints a JSON line: resident memory after the first tenth and at the end, the most there was, handles and threads at both, the median
latency of the second and the last tenth, and what was answered, which is less than was asked for when the minutes were over before.
The exit status is 1 when something was not answered as it should be.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
URI = "file:///soak.md"
PROMPTS = ("create function", "why is my sql query slow", "write an email to my landlord", "plan a workshop on testing", "fix `a.py` ☺")
CANCELLED = -32800


@dataclass(frozen=True)
class Sample:
    """What the process held at one moment, `done` rewrites in."""

    done: int
    resident_mb: float
    handles: int
    threads: int


class Server:
    """A language server and a client of it."""

    def __init__(self, command: list[str], **environment: str) -> None:
        paths = os.pathsep.join(str(ROOT / name) for name in ("server", "training", "tests"))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths, **environment}
        )
        self._number = 0
        self.request("initialize", {"processId": None, "rootUri": None, "capabilities": {"workspace": {"applyEdit": True}}})
        self.send(method="initialized", params={})

    def send(self, **message: Any) -> None:
        """Sends a message."""
        assert self.process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def ask(self, method: str, params: Any) -> int:
        """Sends a request and returns its number."""
        self._number += 1
        self.send(id=self._number, method=method, params=params)
        return self._number

    def answer(self, number: int) -> tuple[dict[str, Any], str]:
        """The answer to a request, and the text of the edit that came ahead of it."""
        assert self.process.stdout is not None
        text = ""
        while True:
            length = 0
            while (line := self.process.stdout.readline()) != b"\r\n":
                if not line:
                    raise RuntimeError("the server has ended")
                length = int(line.split(b":")[1]) if line.startswith(b"Content-Length") else length
            message = json.loads(self.process.stdout.read(length))
            if message.get("method") == "workspace/applyEdit":
                text = message["params"]["edit"]["changes"][URI][0]["newText"]
                self.send(id=message["id"], result={"applied": True})
            elif "method" not in message and message.get("id") == number:
                return message, text

    def request(self, method: str, params: Any) -> tuple[dict[str, Any], str]:
        """The answer to a request, waited for."""
        return self.answer(self.ask(method, params))

    def rewrite(self, prompt: str) -> int:
        """Asks for the rewrite of a document that holds `prompt`."""
        self.send(method="textDocument/didOpen", params={"textDocument": {"uri": URI, "languageId": "", "version": 1, "text": prompt}})
        argument = {"uri": URI, "version": 1, "start": 0, "text": prompt, "adapter": ""}
        return self.ask("workspace/executeCommand", {"command": "promptopt.optimize", "arguments": [argument]})

    def sample(self, done: int) -> Sample:
        """What the process holds now."""
        home = Path("/proc") / str(self.process.pid)
        status = dict(line.split(":", 1) for line in (home / "status").read_text().splitlines())
        return Sample(done, int(status["VmRSS"].split()[0]) / 1024, len(list((home / "fd").iterdir())), int(status["Threads"]))

    def end(self) -> int:
        """The status with which it ends when told to."""
        self.request("shutdown", None)
        self.send(method="exit")
        return self.process.wait(60)


def soak(server: Server, rewrites: int, cancels: int, minutes: float) -> tuple[list[Sample], list[float], Counter[str]]:
    """Samples, the seconds of each rewrite, and how many requests ended how; nothing new is asked when the minutes are over."""
    samples, seconds, ends = [], [], Counter[str]()
    until = time.monotonic() + 60 * minutes
    for number in range(rewrites):
        if time.monotonic() > until:
            break
        prompt = PROMPTS[number % len(PROMPTS)]
        started = time.perf_counter()
        answer, text = server.answer(server.rewrite(prompt))
        seconds.append(time.perf_counter() - started)
        ends["rewritten" if prompt in text else "refused" if "error" in answer else "lost"] += 1
        if cancels and number % max(1, rewrites // cancels) == 0:
            asked = server.rewrite(prompt)
            server.send(method="$/cancelRequest", params={"id": asked})
            answer, _ = server.answer(asked)
            cancelled = answer.get("error", {}).get("code") == CANCELLED
            ends["cancelled" if cancelled else "done ahead of its cancel" if "result" in answer else "lost"] += 1
        server.send(method="textDocument/didClose", params={"textDocument": {"uri": URI}})
        if number % max(1, rewrites // 100) == 0:
            samples.append(server.sample(number))
    return samples, seconds, ends


def plot(samples: list[Sample], path: Path) -> None:
    """Memory, handles and threads over the rewrites."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6))
    for axes, name in zip(figure.subplots(3, sharex=True), ("resident_mb", "handles", "threads"), strict=True):
        axes.plot([sample.done for sample in samples], [getattr(sample, name) for sample in samples])
        axes.set_ylabel(name)
        axes.set_ylim(bottom=0)
    figure.axes[-1].set_xlabel("rewrites")
    figure.savefig(path)


def main() -> int:
    """Soaks a server and prints the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rewrites", type=int, default=2000)
    parser.add_argument("--cancels", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=600, help="the longest that it takes")
    parser.add_argument("--fake", action="store_true", help="the server of the tests")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    program = [str(ROOT / "tests" / "lsp" / "fake_server.py")] if options.fake else ["-m", "promptopt.lsp.cli"]
    server = Server([sys.executable, *program, "--stdio"])
    samples, seconds, ends = soak(server, options.rewrites, options.cancels, options.minutes)
    status = server.end()
    tenth = max(1, len(samples) // 10)
    part = max(1, len(seconds) // 10)
    print(
        json.dumps(
            {
                **{"after_a_tenth": asdict(samples[tenth]), "at_the_end": asdict(samples[-1])},
                "most_resident_mb": max(sample.resident_mb for sample in samples),
                "median_ms": [round(1000 * statistics.median(some), 1) for some in (seconds[part : 2 * part], seconds[-part:])],
                **{"ends": dict(ends), "exit_status": status},
            }
        )
    )
    if options.plot:
        plot(samples, options.plot)
    return 0 if status == 0 and not ends["lost"] else 1


if __name__ == "__main__":
    sys.exit(main())
