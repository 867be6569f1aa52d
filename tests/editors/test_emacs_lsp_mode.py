"""Rewrites in Emacs with lsp-mode, from the selection to the saved file."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rewriting import CASES, HERE, Case, environment

LSP_MODE = "(progn (package-initialize) (kill-emacs (if (require 'lsp-mode nil t) 0 1)))"


def has_lsp_mode() -> bool:
    """Whether Emacs is installed and has lsp-mode."""
    emacs = shutil.which("emacs")
    return bool(emacs) and subprocess.run([str(emacs), "--batch", "--eval", LSP_MODE], capture_output=True).returncode == 0


def without_emoji(case: Case) -> Case:
    """The case without characters that take two units of UTF-16: lsp-mode counts each as one."""
    ahead, selected, expected = (text.replace("😀 ", "").replace("😀", "") for text in (case.ahead, case.selected, case.expected))
    return replace(case, ahead=ahead, selected=selected, expected=expected)


pytestmark = [
    pytest.mark.editor,
    pytest.mark.skipif(not has_lsp_mode(), reason="Emacs with lsp-mode is not installed (Debian: apt-get install emacs-nox elpa-lsp-mode)"),
]


@pytest.mark.parametrize("case", [without_emoji(case) for case in CASES], ids=lambda case: case.name)
def test_a_selection_is_rewritten_in_its_frame(case: Case, tmp_path: Path) -> None:
    file = tmp_path / case.name
    file.write_bytes((case.ahead + case.selected + case.behind).encode())
    command = ["emacs", "--batch", "-l", str(HERE / "emacs_lsp_mode.el")]
    done = subprocess.run(command, env=environment(file, case), capture_output=True, text=True, cwd=tmp_path, timeout=170)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == (case.ahead + case.expected + case.behind).encode()
