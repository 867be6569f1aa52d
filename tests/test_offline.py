"""The main job needs no network: not one socket is opened, by the command or by the process that compiles the model."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_guard_works(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import socket; socket.socket()"], env=environment(tmp_path, GUARD), capture_output=True, text=True
    )
    assert "a socket was touched: socket.__new__" in done.stderr


@pytest.mark.model
def test_a_first_rewrite_opens_no_socket(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "promptopt", "optimize", "create function"]
    done = subprocess.run(command, env=environment(tmp_path, GUARD), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n\nTask: create function\n\n" in done.stdout


@pytest.mark.model
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_a_first_rewrite_succeeds_where_there_is_no_network(tmp_path: Path) -> None:
    cut_off = ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*cut_off, "true"], capture_output=True).returncode != 0:
        pytest.skip("this system does not let users make network namespaces")
    command = [*cut_off, sys.executable, "-m", "promptopt", "optimize", "create function"]
    done = subprocess.run(command, env=environment(tmp_path, ""), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n\nTask: create function\n\n" in done.stdout
