"""The configuration files of docs/editors: each can be read by what it is for, and starts promptopt-lsp with options that we know."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptopt.settings import parse_settings

FILES = Path(__file__).parents[2] / "docs" / "editors"
CONFIGURATIONS = sorted(path for path in FILES.iterdir() if path.name != "README.md")
OPTIONS = {"initializationOptions", "initialization_options", "config", "init_options"}
RECORDER = """
local asked = {}
vim.lsp.config = function(name, options) asked[name] = options end
vim.lsp.enable = function(name) asked.enabled = name end
vim.cmd('luafile ' .. os.getenv('PROMPTOPT_CONFIGURATION'))
io.stdout:write(vim.json.encode(asked))
vim.cmd('qall!')
"""
READABLE = """(with-temp-buffer
  (insert-file-contents (getenv "PROMPTOPT_CONFIGURATION"))
  (emacs-lisp-mode)
  (check-parens))"""


def loaded(path: Path) -> Any:
    return (json.loads if path.suffix == ".json" else tomllib.loads)(path.read_text(encoding="utf-8"))


def options_in(data: Any) -> Iterator[Any]:
    """The settings anywhere in a configuration."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name in OPTIONS:
                yield value
            else:
                yield from options_in(value)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_the_readme_names_it_and_it_starts_the_command(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert f"[{path.name}]({path.name})" in (FILES / "README.md").read_text(encoding="utf-8")
    assert re.search(r"promptopt-lsp\W+(?:arg\w*\W+)?--stdio", text)


@pytest.mark.parametrize("path", [path for path in CONFIGURATIONS if path.suffix in (".json", ".toml")], ids=lambda path: path.name)
def test_its_settings_are_ours(path: Path) -> None:
    found = list(options_in(loaded(path)))
    assert found == [{"adapter": "golden"}] * (path.name != "jetbrains-lsp4ij.json")
    for options in found:
        assert parse_settings(options)[1] == []


@pytest.mark.editor
@pytest.mark.skipif(shutil.which("nvim") is None, reason="nvim is not installed (Debian: apt-get install neovim)")
def test_neovim_reads_what_it_is_to_start(tmp_path: Path) -> None:
    script = tmp_path / "recorder.lua"
    script.write_text(RECORDER, encoding="utf-8")
    command = ["nvim", "--headless", "--clean", "-n", "-c", f"luafile {script}"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PROMPTOPT_CONFIGURATION": str(FILES / "neovim.lua")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    asked = json.loads(done.stdout)
    assert (asked["enabled"], asked["promptopt"]["cmd"]) == ("promptopt", ["promptopt-lsp", "--stdio"])
    assert asked["promptopt"]["init_options"] == {"adapter": "golden"}
    assert "markdown" in asked["promptopt"]["filetypes"]


@pytest.mark.editor
@pytest.mark.skipif(shutil.which("emacs") is None, reason="Emacs is not installed (Debian: apt-get install emacs-nox)")
@pytest.mark.parametrize("path", [path for path in CONFIGURATIONS if path.suffix == ".el"], ids=lambda path: path.name)
def test_emacs_can_read_it(path: Path, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PROMPTOPT_CONFIGURATION": str(path)}
    done = subprocess.run(["emacs", "--batch", "--eval", READABLE], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
