"""Rewrites in Emacs with eglot, from the selection to the saved file."""

import shutil
import subprocess
from pathlib import Path

import pytest
from rewriting import CASES, HERE, Case, environment

EGLOT = "(progn (package-initialize) (kill-emacs (if (require 'eglot nil t) 0 1)))"


def has_eglot() -> bool:
    """Whether Emacs is installed and has eglot."""
    emacs = shutil.which("emacs")
    return bool(emacs) and subprocess.run([str(emacs), "--batch", "--eval", EGLOT], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.editor,
    pytest.mark.skipif(not has_eglot(), reason="Emacs with eglot is not installed (Debian: apt-get install emacs-nox elpa-eglot)"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_selection_is_rewritten_in_its_frame(case: Case, tmp_path: Path) -> None:
    file = tmp_path / case.name
    file.write_bytes((case.ahead + case.selected + case.behind).encode())
    command = ["emacs", "--batch", "-l", str(HERE / "emacs.el")]
    done = subprocess.run(command, env=environment(file, case), capture_output=True, text=True, cwd=tmp_path, timeout=170)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == (case.ahead + case.expected + case.behind).encode()
