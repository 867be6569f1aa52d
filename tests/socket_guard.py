"""Environments in which what a Python process does with sockets is an error."""

import os
from pathlib import Path

_GUARD = """\
import sys

def guard(event, args):
    if event.startswith("socket.") and event != "socket.gethostname" and not allowed(event, args):
        raise RuntimeError(f"a socket was touched: {event}")

sys.addaudithook(guard)
"""
GUARD = "def allowed(event, args): return False\n" + _GUARD
"No socket is made, nobody is asked for a name."
LOOP_GUARD = "def allowed(event, args): return event == 'socket.__new__' and args[1] == 1\n" + _GUARD
"Only the pair of sockets by which an event loop wakes itself; they have no address."
SERVE_GUARD = (
    "def allowed(event, args): return event == 'socket.__new__' or event == 'socket.bind' and args[1][0] == '127.0.0.1'\n" + _GUARD
)
"Listening on 127.0.0.1 is allowed, calling anybody is not."


def environment(tmp_path: Path, guard: str) -> dict[str, str]:
    """An environment in which every Python process starts with the guard, and with an empty cache."""
    (tmp_path / "sitecustomize.py").write_text(guard, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}
