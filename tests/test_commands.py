"""Each row of the README's table of commands, run as it stands there, in one folder, one after the other.

What would take long is given less to do by options appended to the row; the server is given a free port.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TABLE = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- commands:")[2].partition("\n\n")[0]
ROWS = dict(re.findall(r"^\| ([^|`]+) \| `(.+?)`", TABLE, re.MULTILINE))
MODULES = {"promptopt": "promptopt", "promptopt-lsp": "promptopt.lsp.cli", "promptopt-train": "promptopt_training.cli"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all is run."""
    return tmp_path_factory.mktemp("place")


def variables() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "server"), str(ROOT / "training")]), "OMP_NUM_THREADS": "1"}


def command(what: str, *more: str) -> list[str]:
    """A row as the console would start it, and what makes it short."""
    program, *rest = shlex.split(ROWS[what])
    start = [sys.executable, "-m", MODULES[program]] if program in MODULES else [program]
    return [*start, *rest, *more]


def run(place: Path, what: str, *more: str) -> str:
    """What the command gives on standard output."""
    done = subprocess.run(command(what, *more), cwd=place, env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_names_the_programs_that_are_installed() -> None:
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert len(ROWS) == 7
    for program, module in MODULES.items():
        assert re.search(rf'^{program} = "{module}(\.cli)?:main"$', declared, re.MULTILINE)


def test_the_language_server_answers(place: Path) -> None:
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}}
    )
    asked = f"Content-Length: {len(body)}\r\n\r\n{body}"
    started = command("a language server for any editor")
    with subprocess.Popen(started, cwd=place, env=variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(asked.encode())
        server.stdin.flush()
        header = b"".join(iter(server.stdout.readline, b"\r\n"))
        answer = json.loads(server.stdout.read(int(header.split(b"Content-Length: ")[1].split()[0])))
        server.terminate()
    assert answer["result"]["capabilities"]["codeActionProvider"]["codeActionKinds"] == ["refactor.rewrite"]


@pytest.mark.model
@pytest.mark.timeout(600)
def test_pairs_are_made_an_adapter_is_trained_and_it_rewrites(place: Path) -> None:
    run(place, "500 golden pairs to train on")
    pairs = json.loads((place / "data/lora_training_data.json").read_text(encoding="utf-8"))
    assert len(pairs) == 500
    (place / "data/lora_training_data.json").write_text(json.dumps(pairs[:20]), encoding="utf-8")
    run(place, "an adapter from pairs, the base frozen", "--num_epochs", "1", "--learning_rate", "1e-6")
    assert (place / "checkpoints/lora_model/final_adapter/adapter_model.safetensors").is_file()
    assert "create function" in run(place, "a prompt rewritten with it")


@pytest.mark.model
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_server_answers_curl(place: Path) -> None:
    started = command("a server on http://127.0.0.1:8000", "--port", "0")
    with subprocess.Popen(started, cwd=place, env=variables(), stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = server.stderr.readline().rpartition(" ")[2].strip()
            asked = [word.replace("http://127.0.0.1:8000", address) for word in command("a prompt rewritten by it")]
            answer = subprocess.run(asked, cwd=place, capture_output=True, text=True, check=True).stdout
        finally:
            server.terminate()
    assert "\n\nTask: create function\n\n" in json.loads(answer)["optimized_prompt"]


def test_visual_studio_code_has_the_command() -> None:
    declared = json.loads((ROOT / "client-vscode/package.json").read_text(encoding="utf-8"))["contributes"]["commands"]
    assert (ROWS["the selection rewritten in Visual Studio Code"], "Optimize Prompt") in [
        (row["command"], row["title"]) for row in declared
    ]
