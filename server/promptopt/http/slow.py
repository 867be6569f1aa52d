"""Connections on which no request arrives: who sends one too slowly, or none, is hung up on, so that the others have room.

uvicorn bounds neither the time that a request takes to arrive nor how many connections have none.
"""

import asyncio
from collections.abc import Collection
from typing import Any, Protocol

PATIENCE = 20.0
"Seconds in which a request has to arrive whole, head and body."
MOST = 256
"Connections that may be without a whole request at a time; of more those are hung up on that have waited longest."
GRACE = 1.0
"Seconds that every connection is given, however many there are."
LOOK = 0.25
"Seconds between two looks."


class Cycle(Protocol):
    """uvicorn's state of one request."""

    more_body: bool
    response_complete: bool


class Connection(Protocol):
    """uvicorn's state of one connection; without a cycle until the head of its first request is complete."""

    cycle: Cycle | None
    transport: Any


class Arrivals:
    """Since when each connection waits for the same request."""

    def __init__(self, patience: float = PATIENCE, most: int = MOST) -> None:
        self._patience = patience
        self._most = most
        self._since: dict[Connection, tuple[Cycle | None, float]] = {}

    def overdue(self, connections: Collection[Connection], now: float) -> list[Connection]:
        """Those to hang up on, the longest waiting first; `now` is in seconds and never goes back."""
        waiting = [connection for connection in connections if is_without_request(connection)]
        known, self._since = self._since, {}
        for connection in waiting:
            now_on = _cycle(connection)
            cycle, since = known.get(connection, (now_on, now))
            self._since[connection] = (now_on, since if cycle is now_on else now)
        waiting.sort(key=lambda connection: self._since[connection][1])
        waited = [(connection, now - self._since[connection][1]) for connection in waiting]
        too_many = len(waiting) - self._most
        return [one for place, (one, time) in enumerate(waited) if time > self._patience or (place < too_many and time >= GRACE)]


def is_without_request(connection: Connection) -> bool:
    """Whether no request is being answered and none has arrived whole."""
    cycle = _cycle(connection)
    return cycle is None or cycle.more_body or cycle.response_complete


def _cycle(connection: Connection) -> Cycle | None:
    """Its request; what is no connection of h11 has none, and must not end the watch over the others."""
    return getattr(connection, "cycle", None)


async def hang_up_on_the_slow(connections: Collection[Connection], arrivals: Arrivals) -> None:
    """Looks again and again, until it is cancelled."""
    while True:
        await asyncio.sleep(LOOK)
        for connection in arrivals.overdue(connections, asyncio.get_running_loop().time()):
            connection.transport.close()
