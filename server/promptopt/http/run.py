"""Listening: the socket, the server, and its end."""

import asyncio
import signal
import socket
import sys
from types import FrameType
from typing import cast

import uvicorn

from promptopt.errors import InvalidInput
from promptopt.http.app import Make, create_app
from promptopt.http.gates import is_loopback
from promptopt.http.slow import Arrivals, Connection, hang_up_on_the_slow
from promptopt.optimizer import Optimizer
from promptopt.settings import ServerSettings, Settings

GRACE_SECONDS = 60
"How long a server that was told to stop goes on with what it accepted; a second Ctrl-C ends it at once."


def serve(settings: Settings, server: ServerSettings, token: str, make: Make = Optimizer) -> int:
    """Answers requests until SIGINT or SIGTERM, then what it has accepted, and returns 0. Raises InvalidInput when it cannot begin."""
    if not token and not is_loopback(server.host):
        raise InvalidInput(
            f"{server.host} can be reached from other machines, and there is no token.",
            "Set PROMPTOPT_TOKEN or --token_file, or listen on 127.0.0.1.",
        )
    if server.queue < 1:
        raise InvalidInput(f"Where {server.queue} prompts may wait, none is taken.", "Let one wait at least: --queue 1")
    listener = listening(server)
    name = f"[{server.host}]" if ":" in server.host else server.host
    app = create_app(settings, server, token, make)
    config = uvicorn.Config(
        app, http="h11", log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=GRACE_SECONDS
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again at its end, which here is a good one
        signal.signal(number, _ended)
    print(f"promptopt: listening on http://{name}:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
    asyncio.run(_answer(uvicorn.Server(config), listener))
    return 0


async def _answer(server: uvicorn.Server, listener: socket.socket) -> None:
    connections = cast(set[Connection], server.server_state.connections)  # those of h11, as `serve` asks for
    watch = asyncio.ensure_future(hang_up_on_the_slow(connections, Arrivals()))
    try:
        await server.serve([listener])
    finally:
        watch.cancel()


def listening(server: ServerSettings) -> socket.socket:
    """A socket at the host and port of the settings. Raises InvalidInput when there can be none."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    try:
        return socket.create_server((server.host, server.port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise InvalidInput(
            f"The server cannot listen on {server.host}, port {server.port} ({error}).", "Name another one: --port 8001"
        ) from error


def _ended(number: int, frame: FrameType | None) -> None:
    """Nothing is left to do."""
