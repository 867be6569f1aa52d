"""The server on a socket: one language client, and nobody who begins otherwise, as a page in a browser does."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from processes import ENVIRONMENT

INITIALIZE = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}}
).encode()
EXIT = b'{"jsonrpc": "2.0", "method": "exit"}'
PAGE = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://page.example.org\r\nContent-Type: text/plain\r\n"


@contextmanager
def listening() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server and its port."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "promptopt.lsp.cli", "--tcp", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE) as process:
        try:
            while process.poll() is None:
                try:
                    connected(port).close()
                    break
                except ConnectionRefusedError:
                    continue
            yield process, port
        finally:
            process.kill()


def connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(60)
    return connection


def said(connection: socket.socket, head: bytes, body: bytes) -> bytes:
    """The first bytes that come after a message; none where the connection is closed instead."""
    connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("head", [PAGE, b"\r\n", b"x" * 100_000 + b"\r\n"])
def test_who_begins_otherwise_is_not_answered_and_the_client_is_waited_for(head: bytes) -> None:
    with listening() as (process, port), closing(connected(port)) as silent, closing(connected(port)) as page:
        assert said(page, head, INITIALIZE) == b""
        with closing(connected(port)) as client:
            assert said(client, b"", INITIALIZE).startswith(b"Content-Length: ")
            assert said(client, b"", EXIT) == b""
        assert process.wait(60) == 1
        assert silent.recv(1) == b""


def test_there_is_one_client() -> None:
    with listening() as (process, port), closing(connected(port)) as client:
        assert said(client, b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n", INITIALIZE).startswith(b"Content-Length: ")
        with pytest.raises(ConnectionRefusedError):
            connected(port)
        client.sendall(b"Content-Length: 100\r\n\r\n{")
        client.close()
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
