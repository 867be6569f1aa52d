"""An environment in which no Python process may touch a socket."""

import os
from pathlib import Path

GUARD = """\
import sys

def guard(event, args):
    if event.startswith("socket."):
        raise RuntimeError(f"a socket was touched: {event}")

sys.addaudithook(guard)
"""


def environment(tmp_path: Path, guard: str) -> dict[str, str]:
    """An environment in which every Python process starts with the guard, and with an empty cache."""
    (tmp_path / "sitecustomize.py").write_text(guard, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}
