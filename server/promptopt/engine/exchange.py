"""One request to a server, on a thread of its own, so that it can be given up at any moment: connecting, waiting or reading."""

import queue
import socket
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from promptopt.errors import Cancelled, Unavailable

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
"How long a server may say nothing: its network is loaded meanwhile, or others have their turn."
LARGEST = 64 * 1024 * 1024
"Bytes that are read of an answer."
EVENTS = "text/event-stream"
_TICK = 0.02
"Seconds between two looks at whether somebody has cancelled."


@dataclass(frozen=True)
class Head:
    """What comes before the body of an answer: its status and the type of its content, without parameters."""

    status: int
    kind: str


Told = Head | bytes | Exception | None
Connect = Callable[[], HTTPConnection]


def connect_to(url: str) -> Connect:
    """What opens connections to the host of `url`. Proxies of the environment are not asked and redirections not followed."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    port = parts.port or kind.default_port  # without one the last group of an IPv6 address would be taken for it
    return lambda: kind(parts.hostname or "", port, timeout=CONNECT_SECONDS)


class Exchange:
    """A POST and its answer: the Head, then the lines of a stream of events, or any other body as a whole.

    silence: seconds without a word after which the server is given up. Closing the iterator closes the connection.
    """

    def __init__(self, connect: Connect, silence: float = SILENCE_SECONDS) -> None:
        self._connection = connect()
        self._silence = silence
        self._socket: socket.socket | None = None
        self._given_up = threading.Event()
        self._told: queue.SimpleQueue[Told] = queue.SimpleQueue()

    def post(self, path: str, body: bytes, headers: Mapping[str, str], stop: threading.Event) -> Generator[Head | bytes, None, None]:
        """Sends `body`. Raises Cancelled once `stop` is set, Unavailable when the server cannot be reached, says nothing or breaks off."""
        if stop.is_set():
            raise Cancelled("The rewrite was cancelled.")
        threading.Thread(target=self._converse, args=(path, body, headers), name="promptopt-remote", daemon=True).start()
        try:
            while (told := self._next(stop)) is not None:
                yield told
        finally:
            self._hang_up()

    def _next(self, stop: threading.Event) -> Head | bytes | None:
        deadline = time.monotonic() + self._silence
        while not stop.is_set():
            try:
                told = self._told.get(timeout=_TICK)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"The server {self._name} has said nothing for {self._silence:g} seconds.", "Try again later, or ask who runs it."
                    ) from None
                continue
            if isinstance(told, Exception):
                raise self._failure(told) from told
            return told
        raise Cancelled("The rewrite was cancelled.")

    def _converse(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """On the thread: the whole conversation, told as it goes; nothing is sent once it is given up."""
        try:
            self._connection.connect()
            self._socket = self._connection.sock
            if not self._given_up.is_set():
                self._socket.settimeout(self._silence + CONNECT_SECONDS)  # who asked has given up before
                self._connection.request("POST", path, body, dict(headers))
                self._read()
            self._told.put(None)
        except (OSError, HTTPException, UnicodeError) as error:
            self._told.put(error)
        finally:
            self._connection.close()

    def _read(self) -> None:
        with self._connection.getresponse() as answer:
            head = Head(answer.status, answer.headers.get_content_type())
            self._told.put(head)
            left = LARGEST
            if head.kind != EVENTS:
                self._told.put(answer.read(left))
                return
            while line := answer.readline(left):
                left -= len(line)
                self._told.put(line)

    def _hang_up(self) -> None:
        """Ends the conversation wherever it is: a connection made later finds that it is given up, one that is there is shut down."""
        self._given_up.set()
        if self._socket is not None:
            with suppress(OSError):  # not connected any more
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # that of TLS would pull its state from under the thread

    def _failure(self, error: Exception) -> Unavailable:
        reason = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
        if self._socket is None:
            return Unavailable(
                f"The server {self._name} cannot be reached ({reason}).", "Check promptopt.remoteUrl, and that promptopt serve runs there."
            )
        return Unavailable(f"The server {self._name} broke off ({reason}).", "Try again; if it goes on, ask who runs it.")

    @property
    def _name(self) -> str:
        return f"{self._connection.host}:{self._connection.port}"
