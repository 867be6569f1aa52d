"""Connections on which no request arrives: told from others, hung up on, and in nobody's way."""

import resource
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fakes import fake_rewrite
from serve_process import FAKE, started

from promptopt.http.slow import GRACE, Arrivals

HEAD = b"POST /optimize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
MANY = 1000


@dataclass(eq=False)
class FakeCycle:
    more_body: bool = True
    response_complete: bool = False


@dataclass(eq=False)
class FakeConnection:
    cycle: FakeCycle | None = None
    transport: Any = None


@dataclass(eq=False)
class OtherConnection:
    transport: Any = None


def test_a_connection_without_a_request_is_overdue_after_the_patience() -> None:
    arrivals, connection = Arrivals(patience=20), FakeConnection()
    assert [len(arrivals.overdue([connection], now)) for now in (0.0, 19.0, 20.0, 20.1)] == [0, 0, 0, 1]


def test_a_head_does_not_make_a_slow_body_any_faster() -> None:
    arrivals, connection = Arrivals(patience=20), FakeConnection(FakeCycle())
    assert [len(arrivals.overdue([connection], now)) for now in (0.0, 20.1)] == [0, 1]


def test_a_request_that_has_arrived_may_take_any_time_to_be_answered() -> None:
    arrivals, connection = Arrivals(patience=20), FakeConnection(FakeCycle(more_body=False))
    assert [arrivals.overdue([connection], now) for now in (0.0, 100.0, 10_000.0)] == [[], [], []]


def test_each_request_of_a_connection_has_its_own_time() -> None:
    arrivals, connection = Arrivals(patience=20), FakeConnection(FakeCycle())
    assert arrivals.overdue([connection], 0.0) == []
    connection.cycle = FakeCycle(more_body=False)
    assert arrivals.overdue([connection], 15.0) == []
    connection.cycle.response_complete = True
    assert [len(arrivals.overdue([connection], now)) for now in (30.0, 50.0, 50.1)] == [0, 0, 1]


def test_of_too_many_those_go_that_have_waited_longest_but_not_at_once() -> None:
    arrivals = Arrivals(patience=20, most=2)
    old, new = [FakeConnection() for _ in range(3)], [FakeConnection() for _ in range(3)]
    assert arrivals.overdue(old, 0.0) == []
    assert arrivals.overdue([*old, *new], GRACE) == old
    assert arrivals.overdue(new, 2 * GRACE) == new[:1]


def test_a_connection_of_another_protocol_is_one_without_a_request() -> None:
    arrivals, other = Arrivals(patience=20), OtherConnection()
    assert [len(arrivals.overdue([other], now)) for now in (0.0, 20.1)] == [0, 1]


def test_nobody_changes_to_another_protocol() -> None:
    with started(FAKE) as (_, address), socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=60) as client:
        upgrade = (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n" + upgrade + b"\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"


def ask(address: str, prompt: str) -> str:
    return str(httpx2.post(f"{address}/optimize", json={"prompt": prompt}, timeout=60).json()["optimized_prompt"])


def hung_up(connections: list[socket.socket], count: int) -> int:
    """Waits until so many have been hung up on; how many were."""
    waiting, watch = {connection.fileno(): connection for connection in connections}, select.poll()
    for number in waiting:
        watch.register(number, select.POLLIN)
    gone = 0
    while gone < count:
        for number, _ in watch.poll():
            assert waiting[number].recv(1) == b""
            watch.unregister(number)
            gone += 1
    return gone


@pytest.fixture
def many_files() -> None:
    """Room for the connections on both sides; the server takes over the limit."""
    least = 2 * MANY
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < least:
        if hard != resource.RLIM_INFINITY and hard < least:
            pytest.skip(f"only {hard} files may be open")
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, hard))


@pytest.mark.usefixtures("many_files")
def test_a_thousand_slow_connections_are_bounded_and_others_are_answered() -> None:
    with started(FAKE, PROMPTOPT_FAKE_PATIENCE="600") as (_, address), ExitStack() as stack:
        host, port = address.removeprefix("http://").split(":")
        slow = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(MANY)]
        for number, connection in enumerate(slow):
            connection.sendall(HEAD if number % 2 else HEAD + b"Content-Length: 100\r\n\r\n{")
        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(lambda n: ask(address, f"task {n}"), range(64))) == [fake_rewrite(f"task {n}") for n in range(64)]
        assert hung_up(slow, MANY - 256) >= MANY - 256
        assert ask(address, "still there") == fake_rewrite("still there")


def test_who_never_finishes_a_request_is_hung_up_on_and_leaves_nothing() -> None:
    with started(FAKE, PROMPTOPT_FAKE_PATIENCE="0.5") as (_, address), ExitStack() as stack:
        host, port = address.removeprefix("http://").split(":")
        clients = [stack.enter_context(socket.create_connection((host, int(port)), timeout=60)) for _ in range(3)]
        for client, sent in zip(clients, (b"", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"), strict=True):
            client.sendall(sent)
        assert hung_up(clients, 3) == 3
        assert ask(address, "next") == fake_rewrite("next")
