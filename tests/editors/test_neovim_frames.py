"""Rewrites in Neovim up to 0.10 by its own command, with the configuration of docs/editors."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from rewriting import CASES, HERE, Case, environment


def version() -> tuple[int, int]:
    """Of the Neovim that is installed; (0, 0) where none is."""
    if shutil.which("nvim") is None:
        return 0, 0
    found = re.search(r"NVIM v(\d+)\.(\d+)", subprocess.run(["nvim", "--version"], capture_output=True, text=True).stdout)
    assert found
    return int(found[1]), int(found[2])


pytestmark = [
    pytest.mark.editor,
    pytest.mark.skipif(version() == (0, 0) or version() > (0, 8), reason="range_code_action is in Neovim 0.7 and 0.8 only"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_selection_is_rewritten_in_its_frame(case: Case, tmp_path: Path) -> None:
    file = tmp_path / case.name
    file.write_bytes((case.ahead + case.selected + case.behind).encode())
    command = ["nvim", "--headless", "--clean", "-n", "-c", f"luafile {HERE / 'neovim_frames.lua'}"]
    done = subprocess.run(command, env=environment(file, case), capture_output=True, text=True, cwd=tmp_path, timeout=170)
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == (case.ahead + case.expected + case.behind).encode()
