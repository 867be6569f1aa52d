"""The server as a process: what its three streams carry, what it imports, how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest
from fakes import fake_rewrite
from processes import (
    ENVIRONMENT,
    FAKE,
    PROMPT,
    URI,
    Message,
    answer_to,
    asked,
    ended,
    initialized,
    messages,
    read,
    send,
    started,
    token_of,
    written,
)

from promptopt import __version__
from promptopt.lsp import cli

HEAVY = ("torch", "transformers", "numpy", "peft", "huggingface_hub")

ASK_FOR_MODULES = """\
import sys
from lsprotocol import types
from promptopt.lsp import cli, server

create = server.create_server


def create_server():
    made = create()

    @made.server.feature("test/modules")
    def modules(params):
        return sorted(sys.modules)

    return made


server.create_server = create_server
cli.main(["--stdio"])
"""


def test_nothing_but_frames_reaches_standard_output() -> None:
    with started([*FAKE, "--stdio"], PROMPTOPT_FAKE_NOISE="1") as process:
        initialized(process)
        seen: list[Message] = []
        asked(process, 2)
        assert answer_to(process, 2, seen)["result"] is None
        assert [message["method"] for message in seen] == ["workspace/applyEdit"]
        (change,) = seen[0]["params"]["edit"]["changes"][URI]
        assert change["newText"] == fake_rewrite(PROMPT).replace("\n\n", "\n>\n> ")
        assert change["range"] == {"start": {"line": 0, "character": 2}, "end": {"line": 0, "character": 2 + len(PROMPT)}}
        status, log, rest = ended(process, 3)
    assert (status, rest) == (0, [])
    for way in ("of print", "of write", "of a child"):
        assert log.count(f"stray output {way}\n") == 1


def test_the_reader_of_these_tests_notices_a_stray_byte(tmp_path: Path) -> None:
    file = tmp_path / "stream"
    file.write_bytes(written({"id": 1}) + b"stray\n" + written({"id": 2}))
    with file.open("rb") as stream:
        assert read(stream) == {"jsonrpc": "2.0", "id": 1}
        with pytest.raises(AssertionError, match="stray"):
            read(stream)


def test_a_cancelled_command_is_answered_once_and_edits_nothing() -> None:
    with started([*FAKE, "--stdio"], PROMPTOPT_FAKE_DELAY="0.1") as process:
        initialized(process, workDoneProgress=True)
        asked(process, 2)
        begin = next(message for message in messages(process) if message["method"] == "$/progress")
        assert begin["params"]["value"]["kind"] == "begin"
        send(process, method="$/cancelRequest", params={"id": 2})
        seen: list[Message] = []
        assert answer_to(process, 2, seen)["error"]["code"] == -32800
        asked(process, 3)
        assert answer_to(process, 3, seen)["result"] is None
        status, _, rest = ended(process, 4)
    everything = seen + rest
    assert status == 0
    assert [message["method"] for message in everything if "method" in message].count("workspace/applyEdit") == 1
    assert [message["id"] for message in everything if "method" not in message] == []
    values = [
        m["params"]["value"]["kind"] for m in [begin, *everything] if m.get("method") == "$/progress" and token_of(m) == token_of(begin)
    ]
    assert (values[0], values[-1], values.count("end")) == ("begin", "end", 1)


def test_the_prompt_is_in_no_log_at_any_level() -> None:
    with started([*FAKE, "--stdio", "--log-level", "debug"], PROMPTOPT_FAKE_DELAY="0.01") as process:
        initialized(process, workDoneProgress=True)
        selection = {"start": {"line": 0, "character": 2}, "end": {"line": 0, "character": 20}}
        params = {"textDocument": {"uri": URI}, "range": selection, "context": {"diagnostics": []}}
        send(process, id=2, method="textDocument/codeAction", params=params)
        assert [action["title"] for action in answer_to(process, 2)["result"]] == [
            "Optimize prompt",
            *(f"Optimize prompt as {style}" for style in ("concise", "golden", "markdown", "xml")),
            "Optimize prompt: variants…",
        ]
        asked(process, 3)
        assert answer_to(process, 3)["result"] is None
        change = {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": "no zebra at all"}]}
        send(process, method="textDocument/didChange", params=change)
        asked(process, 4)
        assert answer_to(process, 4)["error"]["code"] == -32801
        send(process, id=5, method="workspace/executeCommand", params={"command": "promptopt.optimize", "arguments": [PROMPT]})
        assert answer_to(process, 5)["error"]["code"] == -32602
        status, log, _ = ended(process, 6)
    assert status == 0
    assert log.startswith("DEBUG asyncio: ")
    for phrase in ("zebra", "unmentionable", "Act as a tester"):
        assert phrase not in log


def test_a_failed_rewrite_leaves_no_trace_of_the_prompt_in_the_log() -> None:
    with started([*FAKE, "--stdio", "--log-level", "debug"], PROMPTOPT_FAKE_BROKEN="1") as process:
        initialized(process)
        asked(process, 2)
        error = answer_to(process, 2)["error"]
        status, log, _ = ended(process, 3)
    assert (status, error["code"]) == (0, -32803)
    assert "zebra" not in log + error["message"]


def test_initialize_imports_nothing_heavy() -> None:
    with started([sys.executable, "-c", ASK_FOR_MODULES]) as process:
        initialized(process)
        send(process, id=2, method="test/modules", params={})
        modules = answer_to(process, 2)["result"]
        status, _, _ = ended(process, 3)
    assert status == 0
    assert "promptopt.optimizer" in modules
    assert [name for name in HEAVY if name in modules] == []


@pytest.mark.parametrize("busy", [False, True])
def test_the_process_ends_when_its_input_closes(busy: bool) -> None:
    with started([*FAKE, "--stdio"], PROMPTOPT_FAKE_DELAY="3") as process:
        initialized(process, workDoneProgress=True)
        if busy:
            asked(process, 2)
            next(message for message in messages(process) if message["method"] == "$/progress")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def test_exit_after_shutdown_ends_a_busy_server_with_status_0() -> None:
    with started([*FAKE, "--stdio"], PROMPTOPT_FAKE_DELAY="1") as process:
        initialized(process, workDoneProgress=True)
        asked(process, 2)
        next(message for message in messages(process) if message["method"] == "$/progress")
        status, _, seen = ended(process, 3)
    assert status == 0
    assert [message["error"]["code"] for message in seen if message.get("id") == 2] == [-32800]


def test_the_version_is_printed_and_nothing_started(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr() == (f"promptopt-lsp {__version__}\n", "")


def test_the_help_shows_how_an_editor_starts_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: promptopt-lsp ")
    assert "  promptopt-lsp --stdio                  what an editor starts\n" in shown
    for option in ("--stdio", "--tcp HOST:PORT", "--log-level {error,warning,info,debug}", "--version"):
        assert option in shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--tcp", "0.0.0.0:2087"], "HOST:PORT with a loopback host"),
        (["--tcp", "127.0.0.1"], "HOST:PORT with a loopback host"),
        (["--tcp", "127.0.0.1:http"], "HOST:PORT with a loopback host"),
        (["--stdio", "--tcp", "127.0.0.1:2087"], "not allowed with argument"),
        (["--log-level", "loud"], "invalid choice: 'loud'"),
        (["--pipe"], "unrecognized arguments: --pipe"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    shown = capsys.readouterr()
    assert complaint in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(("text", "address"), [("127.0.0.1:2087", ("127.0.0.1", 2087)), ("localhost:1", ("localhost", 1))])
def test_a_loopback_address_is_accepted(text: str, address: tuple[str, int]) -> None:
    assert cli.parser().parse_args(["--tcp", text]).tcp == address


def test_the_module_can_be_run() -> None:
    done = subprocess.run([sys.executable, "-m", "promptopt.lsp.cli", "--version"], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"promptopt-lsp {__version__}\n")
