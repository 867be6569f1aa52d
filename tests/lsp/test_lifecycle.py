"""How a session begins, what it tells meanwhile, and how its process ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import fake_rewrite
from processes import ENVIRONMENT, FAKE, PROMPT, URI, Message, answer_to, asked, ended, initialized, messages, previewed, send, started

from promptopt.lsp import parent

LEVELS = ["error", "warning", "info", "debug"]
SENSELESS = [("promptopt.optimize", [PROMPT], -32602), ("promptopt.preview", [{"token": PROMPT}], -32602), (PROMPT, [PROMPT], -32602)]


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


def test_what_has_ended_is_not_held() -> None:
    with started([*FAKE, "--stdio"]) as process:
        initialized(process)
        for number in range(50):
            uri = f"file:///{number}.md"
            opened = {"uri": uri, "languageId": "", "version": 1, "text": PROMPT}
            send(process, method="textDocument/didOpen", params={"textDocument": opened})
            send(process, method="textDocument/didClose", params={"textDocument": {"uri": uri}})
        asked(process, 2)
        answer_to(process, 2)
        send(process, id=3, method="test/held", params=None)
        assert answer_to(process, 3)["result"] <= 1


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


def everything_else(process: subprocess.Popen[bytes], seen: list[Message]) -> None:
    """What else a client may ask, be it right, cancelled or senseless, always with the prompt in it."""
    selection = {"start": {"line": 0, "character": 2}, "end": {"line": 0, "character": 2 + len(PROMPT)}}
    place = {"textDocument": {"uri": URI}, "range": selection}
    send(process, id=11, method="textDocument/codeAction", params={**place, "context": {"diagnostics": []}})
    assert answer_to(process, 11, seen)["result"][0]["title"] == "Optimize prompt"
    previewed(process, 12, "grows")
    assert PROMPT in answer_to(process, 12, seen)["result"]["text"]
    previewed(process, 13, "stopped")
    send(process, method="$/cancelRequest", params={"id": 13})
    assert answer_to(process, 13, seen)["error"]["code"] == -32800
    for number, (name, arguments, code) in enumerate(SENSELESS, start=14):
        send(process, id=number, method="workspace/executeCommand", params={"command": name, "arguments": arguments})
        assert answer_to(process, number, seen)["error"]["code"] == code
    send(process, id=21, method=PROMPT, params={"text": PROMPT})
    assert answer_to(process, 21, seen)["error"]["code"] == -32601
    send(process, id=22, method="workspace/executeCommand", params={"command": "promptopt.doctor"})
    assert "findings" in answer_to(process, 22, seen)["result"]
    send(process, id=23, method="workspace/executeCommand", params={"command": "promptopt.variants", "arguments": [place | {"uri": URI}]})
    assert answer_to(process, 23, seen)["result"] is None


@pytest.mark.parametrize("level", LEVELS)
def test_the_prompt_is_in_no_log_at_any_level(level: str, tmp_path: Path) -> None:
    file = tmp_path / "log"
    seen: list[Message] = []
    command = [*FAKE, "--stdio", "--log-level", level, "--log-file", str(file)]
    with started(command, PROMPTOPT_FAKE_DELAY="0.01", HF_HUB_OFFLINE="1") as process:
        initialized(process, options={"logLevel": level, "threads": "many"}, workDoneProgress=True)
        asked(process, 2)
        assert answer_to(process, 2, seen)["result"] is None
        everything_else(process, seen)
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
