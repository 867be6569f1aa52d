"""How a session begins, what it tells meanwhile, and how its process ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import fake_rewrite
from processes import ENVIRONMENT, FAKE, URI, Message, answer_to, asked, ended, initialized, messages, send, started

from promptopt.lsp import parent

LEVELS = ["error", "warning", "info", "debug"]


def test_exit_without_shutdown_ends_with_1() -> None:
    with started([*FAKE, "--stdio"]) as process:
        initialized(process)
        send(process, method="exit")
        assert list(messages(process)) == []
        assert process.wait(60) == 1


def test_a_server_whose_editor_is_gone_ends_with_1() -> None:
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()
    with started([*FAKE, "--stdio"]) as process:
        send(process, id=1, method="initialize", params={"processId": gone.pid, "rootUri": None, "capabilities": {}})
        assert process.wait(60) == 1


def test_this_process_is_alive_and_an_ended_one_is_not() -> None:
    ended_one = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ended_one.wait()
    assert parent.alive(os.getpid())
    assert not parent.alive(ended_one.pid)


def test_states_are_told_to_a_client_that_asks_for_them() -> None:
    seen: list[Message] = []
    with started([*FAKE, "--stdio"]) as process:
        initialized(process, capabilities={"experimental": {"promptoptStatus": True}})
        asked(process, 2)
        answer_to(process, 2, seen)
        status, _, rest = ended(process, 3)
    told = [message["params"] for message in seen + rest if message.get("method") == "promptopt/status"]
    assert status == 0
    assert [params["state"] for params in told] == ["loading", "running", "ready"]
    assert [params["message"] for params in told] == ["Loading the adapter golden.", "Rewriting.", "Ready."]


@pytest.mark.parametrize("level", LEVELS)
def test_the_prompt_is_in_no_log_at_any_level(level: str, tmp_path: Path) -> None:
    file = tmp_path / "log"
    seen: list[Message] = []
    with started([*FAKE, "--stdio", "--log-level", level, "--log-file", str(file)]) as process:
        initialized(process, options={"logLevel": level, "threads": "many"}, workDoneProgress=True)
        asked(process, 2)
        assert answer_to(process, 2, seen)["result"] is None
        change = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": "no zebra at all"}]}
        send(process, method="textDocument/didChange", params=change)
        asked(process, 3)
        assert answer_to(process, 3, seen)["error"]["code"] == -32801
        status, stderr, rest = ended(process, 4)
    shown = [message["params"]["message"] for message in seen + rest if message.get("method") == "window/logMessage"]
    assert status == 0
    assert fake_rewrite("")[:6] == "Act as"
    for log in (stderr, file.read_text(encoding="utf-8"), "\n".join(shown)):
        assert not [phrase for phrase in ("zebra", "unmentionable", "Act as") if phrase in log]
        assert ("promptopt.threads should be of type int" in log) is (level != "error")


def test_a_log_file_that_cannot_be_written_is_named() -> None:
    done = subprocess.run([*FAKE, "--stdio", "--log-file", "/nowhere/log"], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "promptopt-lsp: cannot write the log to /nowhere/log (No such file or directory). Name another file.\n"
