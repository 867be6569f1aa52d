"""The main job needs no network: not one socket is opened, by the command or by the process that compiles the model."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from socket_guard import GUARD, environment


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
