"""Listening: the socket, the server, and its end."""

import asyncio
import signal
import socket
import sys
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI

from promptopt.errors import InvalidInput
from promptopt.http.app import Make, create_app
from promptopt.http.gates import is_loopback
from promptopt.http.slow import Arrivals, Connection, hang_up_on_the_slow
from promptopt.optimizer import Optimizer
from promptopt.settings import ServerSettings, Settings

GRACE_SECONDS = 60
"How long a server that was told to stop goes on with what it accepted; a second Ctrl-C ends it at once."
FAREWELL_SECONDS = 5
"How long those take who are then told that it is stopping; uvicorn breaks off what is left."
LOOK = 0.1
"Seconds between two looks at whether the server was told to stop."


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
        app,
        http="h11",
        ws="none",  # the application has no use for it, and `Arrivals` watches over connections of h11 alone
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS + FAREWELL_SECONDS,
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again at its end, which here is a good one
        signal.signal(number, _ended)
    print(f"promptopt: listening on http://{name}:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
    asyncio.run(_answer(uvicorn.Server(config), app, listener))
    for number in (signal.SIGINT, signal.SIGTERM):  # a network that is being loaded may hold the process up
        signal.signal(number, signal.SIG_DFL)
    return 0


async def _answer(server: uvicorn.Server, app: FastAPI, listener: socket.socket) -> None:
    connections = cast(set[Connection], server.server_state.connections)  # those of h11, as `serve` asks for
    watches = [
        asyncio.ensure_future(watch)
        for watch in (hang_up_on_the_slow(connections, Arrivals()), _close_in_time(server, app), _end_at_once(server))
    ]
    try:
        await server.serve([listener])
    finally:
        for watch in watches:
            watch.cancel()


async def _close_in_time(server: uvicorn.Server, app: FastAPI) -> None:
    """Once the server was told to stop and the grace is over, answers those who still wait; uvicorn would break off their requests."""
    while not server.should_exit:
        await asyncio.sleep(LOOK)
    await asyncio.sleep(GRACE_SECONDS)
    await app.state.close()


async def _end_at_once(server: uvicorn.Server) -> None:
    """Ends the process at the second Ctrl-C, whatever it is at: uvicorn would wait for the application, and that for its network."""
    while not server.force_exit:
        await asyncio.sleep(LOOK)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)


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
