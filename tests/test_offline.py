"""The main job needs no network: not one socket is opened, by any command or by the process that compiles; and no prompt is left behind."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from processes import FAKE, answer_to, asked, ended, initialized, started
from serve_process import FAKE as FAKE_SERVE
from serve_process import PATH
from serve_process import started as serving
from socket_guard import GUARD, LOOP_GUARD, SERVE_GUARD, environment
from tiny_models import tiny_base

from promptopt.bundle import builtin_folder

ZEBRA = "create the unmentionable zebra function"
TINY = "--d_model 32 --encoder_layers 1 --decoder_layers 1 --max_steps 1 --reading_steps 1 --meaning_steps 0 --batch_tokens 500".split()
FEW = "from promptopt_training import pretrain; pretrain.VALIDATION = 4\n"
MAIN = (
    "import json, sys\nfrom {0}.cli import main\nprint(json.dumps([main(command) for command in json.loads(sys.argv[1])]), file=sys.stderr)"
)


def statuses(package: str, commands: list[list[str]], tmp_path: Path, ahead: str = "") -> list[int]:
    """What commands return that are run one after the other, behind a line of Python, in a process where every socket is an error."""
    command = [sys.executable, "-c", ahead + MAIN.format(package), json.dumps(commands)]
    done = subprocess.run(command, env=environment(tmp_path, GUARD), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[int] = json.loads(done.stderr.splitlines()[-1])
    return found


def guarded_server(tmp_path: Path, guard: str, path: str) -> dict[str, str]:
    """What of the environment makes a server that finds its modules in `path` run under a guard."""
    guarded = environment(tmp_path, guard)
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path), path]), "XDG_CACHE_HOME": guarded["XDG_CACHE_HOME"]}


def holding(folder: Path, word: str) -> list[str]:
    """The files below a folder that hold a word."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


@pytest.mark.parametrize("guard", [GUARD, LOOP_GUARD, SERVE_GUARD])
@pytest.mark.parametrize("code", ["socket.create_connection(('127.0.0.1', 9))", "socket.getaddrinfo('localhost', 80)"])
def test_the_guards_work(tmp_path: Path, guard: str, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import socket; {code}"], env=environment(tmp_path, guard), capture_output=True, text=True
    )
    assert "a socket was touched: socket." in done.stderr


def test_no_socket_is_so_much_as_made_under_the_strictest(tmp_path: Path) -> None:
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
def test_no_command_opens_a_socket_and_none_leaves_the_prompt_behind(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": ZEBRA}) + "\n")
    commands = {
        ("optimize", ZEBRA): 0,
        ("optimize", "--json", "-n", "2", ZEBRA): 0,
        ("optimize", "--batch", "in.jsonl", "--output", "out.jsonl"): 0,
        ("optimize", "--adapter", "owner/name", "--offline", ZEBRA): 3,
        ("compile",): 0,
        ("compile", "--adapter", "owner/name", "--offline"): 3,
        ("adapters", "list", "--json"): 0,
        ("adapters", "path", "golden"): 0,
        ("adapters", "path", "owner/name"): 3,
        ("adapters", "verify"): 0,
        ("adapters", "remove", "owner/name"): 2,
        ("doctor", "--offline"): 0,
        ("doctor", "--offline", "--json"): 0,
    }
    assert dict(zip(commands, statuses("promptopt", [list(command) for command in commands], tmp_path), strict=True)) == commands
    assert sorted(holding(tmp_path, "zebra")) == ["in.jsonl", "out.jsonl"]


@pytest.mark.model
def test_no_command_of_training_opens_a_socket(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"text": "create function"}\n')
    adapter = str(builtin_folder() / "golden")
    shutil.copytree(adapter, tmp_path / "own")
    tiny_base(tmp_path / "base")
    commands = {
        ("data", "--size", "24", "--output", "pairs.json"): 0,
        ("vocabulary", "--data_path", "pairs.json", "--size", "1100", "--output", "spiece.model"): 0,
        ("pretrain", "--data_path", "pairs.json", "--vocabulary", "base/spiece.model", "--output_dir", "pre", *TINY): 0,
        ("lora", "--base", "base", "--data_path", "pairs.json", "--output_dir", "out", "--num_epochs", "1", "--rank", "1"): 0,
        ("evaluate", "--prompts", "prompts.jsonl", "--adapter", adapter): 0,
        ("calibrate", "--prompts", "prompts.jsonl", "--adapter", "own"): 2,
        ("publish", "owner/name", "--adapter_path", adapter, "--dry_run"): 0,
    }
    found = statuses("promptopt_training", [list(command) for command in commands], tmp_path, FEW)
    assert dict(zip(commands, found, strict=True)) == commands


@pytest.mark.skipif(sys.platform == "win32", reason="an event loop of Windows wakes itself over loopback")
@pytest.mark.parametrize("broken", [False, True])
def test_the_language_server_opens_no_socket_and_a_crash_tells_nothing_of_the_prompt(tmp_path: Path, broken: bool) -> None:
    guarded = guarded_server(tmp_path, LOOP_GUARD, PATH)
    if broken:
        guarded["PROMPTOPT_FAKE_CRASH"] = "1"
    with started([*FAKE, "--stdio", "--log-level", "debug", "--log-file", str(tmp_path / "log")], **guarded) as process:
        initialized(process)
        asked(process, 2)
        answer = answer_to(process, 2)
        status, log, _ = ended(process, 3)
    assert ("a fault of the program" in str(answer.get("error"))) == broken
    assert "zebra" not in str(answer)
    assert status == 0
    assert "a socket was touched" not in log
    assert "zebra" not in log
    assert holding(tmp_path, "zebra") == []


@pytest.mark.skipif(sys.platform == "win32", reason="an event loop of Windows wakes itself over loopback")
def test_the_http_server_calls_nobody_and_leaves_no_prompt_behind(tmp_path: Path) -> None:
    with serving(FAKE_SERVE, **guarded_server(tmp_path, SERVE_GUARD, PATH)) as (process, address):
        assert httpx2.post(f"{address}/optimize", json={"prompt": ZEBRA}).status_code == 200
        process.terminate()
        said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, ("", ""))
    assert holding(tmp_path, "zebra") == []


@pytest.mark.skipif(sys.platform == "win32", reason="an event loop of Windows wakes itself over loopback")
@pytest.mark.model
async def test_the_server_for_agents_opens_no_socket(tmp_path: Path) -> None:
    guarded = guarded_server(tmp_path, LOOP_GUARD, PATH)
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "promptopt", "mcp"], env={**os.environ, **guarded})
    async with Client(parameters) as client:
        answer = await client.call_tool("optimize_prompt", {"prompt": ZEBRA})
    assert not answer.is_error
    assert holding(tmp_path, "zebra") == []


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
