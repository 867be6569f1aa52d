"""Talking with the server as a process, byte by byte."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from promptopt import __version__

ROOT = Path(__file__).parents[2]
FAKE = [sys.executable, str(Path(__file__).with_name("fake_server.py"))]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("server", "training", "tests"))}
URI = "file:///notes/a.md"
PROMPT = "create the unmentionable zebra function"
Message = dict[str, Any]


def written(message: Message) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def read(stream: IO[bytes]) -> Message | None:
    """The next message; None at the end of the stream. Fails on any byte outside a frame."""
    length = None
    while (line := stream.readline()) != b"\r\n":
        if line == b"" and length is None:
            return None
        name, separator, value = line.partition(b": ")
        assert separator, f"{line!r} on standard output"
        assert name in (b"Content-Length", b"Content-Type"), f"{line!r} on standard output"
        assert line.endswith(b"\r\n"), f"{line!r} on standard output"
        length = int(value) if name == b"Content-Length" else length
    assert length is not None, "a frame without a length"
    body = stream.read(length)
    assert len(body) == length, f"{body!r} ends early"
    message: Message = json.loads(body)
    assert message["jsonrpc"] == "2.0"
    return message


def messages(process: subprocess.Popen[bytes]) -> Iterator[Message]:
    """All messages up to the end; edits are taken, no setting is set, other requests of the server are answered with null."""
    assert process.stdout is not None
    while (message := read(process.stdout)) is not None:
        if "method" in message and "id" in message:
            answers = {"workspace/applyEdit": {"applied": True}, "workspace/configuration": [None]}
            send(process, id=message["id"], result=answers.get(message["method"]))
        yield message


def send(process: subprocess.Popen[bytes], **message: object) -> None:
    assert process.stdin is not None
    process.stdin.write(written(message))
    process.stdin.flush()


def answer_to(process: subprocess.Popen[bytes], number: int, seen: list[Message] | None = None) -> Message:
    """The answer to a request; messages ahead of it go to `seen`."""
    for message in messages(process):
        if message.get("id") == number and "method" not in message:
            return message
        if seen is not None:
            seen.append(message)
    raise AssertionError(f"no answer to request {number}")


@contextmanager
def started(command: list[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env={**ENVIRONMENT, **environment}) as process:
        try:
            yield process
        finally:
            process.kill()


def initialized(process: subprocess.Popen[bytes], options: object = None, capabilities: Message | None = None, **window: object) -> None:
    """A client that neither resolves nor takes versions, with PROMPT in an open document."""
    declared = {"window": window, "workspace": {"applyEdit": True}, **(capabilities or {})}
    params = {"processId": None, "rootUri": None, "capabilities": declared, "initializationOptions": options}
    send(process, id=1, method="initialize", params=params)
    assert answer_to(process, 1)["result"]["serverInfo"] == {"name": "promptopt", "version": __version__}
    send(process, method="initialized", params={})
    document = {"uri": URI, "languageId": "markdown", "version": 1, "text": f"> {PROMPT}\n"}
    send(process, method="textDocument/didOpen", params={"textDocument": document})


def asked(process: subprocess.Popen[bytes], number: int) -> None:
    """The command that the action gives, sent as request `number`."""
    data = {"uri": URI, "start": 2, "text": PROMPT, "movable": True}
    send(process, id=number, method="workspace/executeCommand", params={"command": "promptopt.optimize", "arguments": [data]})


def previewed(process: subprocess.Popen[bytes], number: int, token: str, /, **changes: object) -> None:
    """The command for a preview of PROMPT as request `number`, with `changes` to its argument."""
    selection = {"start": {"line": 0, "character": 2}, "end": {"line": 0, "character": 2 + len(PROMPT)}}
    argument = {"textDocument": {"uri": URI, "version": 1}, "range": selection, "token": token, **changes}
    params = {"command": "promptopt.preview", "arguments": [argument], "workDoneToken": f"work of {token}"}
    send(process, id=number, method="workspace/executeCommand", params=params)


def ended(process: subprocess.Popen[bytes], number: int) -> tuple[int, str, list[Message]]:
    """Status, standard error and last messages of a process that is told to shut down and exit."""
    send(process, id=number, method="shutdown")
    seen: list[Message] = []
    assert answer_to(process, number, seen)["result"] is None
    send(process, method="exit")
    seen += messages(process)
    assert process.stderr is not None
    return process.wait(30), process.stderr.read().decode(), seen


def token_of(message: Message) -> object:
    return message["params"]["token"]
