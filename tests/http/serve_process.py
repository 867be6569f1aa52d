"""The server as a process, on a free port of loopback."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAKE = [sys.executable, str(Path(__file__).with_name("fake_serve.py"))]
REAL = [sys.executable, "-m", "promptopt", "serve"]
PATH = os.pathsep.join(str(ROOT / name) for name in ("server", "training", "tests"))


@contextmanager
def started(command: list[str], *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server on a free port, and its address."""
    variables = {**os.environ, "PYTHONPATH": PATH, **environment}
    with subprocess.Popen(
        [*command, "--port", "0", *options], stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=variables, text=True
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.fullmatch(r"promptopt: listening on (http://\S+)\n", line)
            assert found, line + process.stderr.read()
            yield process, found.group(1)
        finally:
            process.kill()
