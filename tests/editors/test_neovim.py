"""A rewrite in Neovim, from the selection to the saved file."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import fake_rewrite

pytestmark = [
    pytest.mark.editor,
    pytest.mark.skipif(shutil.which("nvim") is None, reason="nvim is not installed (Debian: apt-get install neovim)"),
]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FAKE = [sys.executable, str(ROOT / "tests" / "lsp" / "fake_server.py"), "--stdio"]
REAL = [sys.executable, "-m", "promptopt.lsp.cli", "--stdio"]
HEAD = "# Nötes 😀\n\nkeep 🧑‍💻 this\u2028line\f and\ttabs \n"
TAIL = "\n\nkept, too: äß😀 {name} `x`\n"
FORM = re.compile(
    r"Act as an? (?P<persona>.+)\n\nContext: (?P<context>.+)\n\nTask: (?P<task>.+)\n\n"
    r"Constraints:\n(?P<constraints>(?:- .+\n)+)\nSteps:\n(?P<steps>(?:\d+\. .+\n)+)\nGoal: (?P<goal>.+)"
)


def rewritten(server: list[str], folder: Path, prompt: str) -> tuple[bytes, bytes]:
    """The file with `prompt` as its fourth line after a rewrite, and after one undo of it."""
    file = folder / "my nöte 😀.md"
    file.write_bytes((HEAD + prompt + TAIL).encode())
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("server", "training", "tests")),
        "PROMPTOPT_SERVER": json.dumps(server),
        "PROMPTOPT_FILE": str(file),
        "PROMPTOPT_LINE": "4",
        "XDG_STATE_HOME": str(folder / "state"),
        "LC_ALL": "C.UTF-8",
    }
    command = ["nvim", "--headless", "--clean", "-n", "-c", f"luafile {HERE / 'neovim.lua'}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder, timeout=150)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "encoding utf-16\n"
    return file.read_bytes(), file.with_name(file.name + ".undone").read_bytes()


@pytest.mark.parametrize("prompt", ["create function", "résumé 😀 écrire 😀", "😀😀"])
def test_a_selected_line_is_rewritten_and_one_undo_takes_it_back(prompt: str, tmp_path: Path) -> None:
    saved, undone = rewritten(FAKE, tmp_path, prompt)
    assert saved == (HEAD + fake_rewrite(prompt) + TAIL).encode()
    assert undone == (HEAD + prompt + TAIL).encode()


@pytest.mark.model
def test_the_embedded_model_puts_the_prompt_into_its_form(tmp_path: Path) -> None:
    prompt = "create function that parses {config} files 😀"
    saved, undone = rewritten(REAL, tmp_path, prompt)
    text = saved.decode()
    assert text.startswith(HEAD)
    assert text.endswith(TAIL)
    form = FORM.fullmatch(text[len(HEAD) : -len(TAIL)])
    assert form is not None, text
    assert form["task"] == prompt
    assert undone == (HEAD + prompt + TAIL).encode()
