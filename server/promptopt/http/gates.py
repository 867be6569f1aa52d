"""What a request passes before the application sees it: host, origin, token, size; and what ends it early."""

import asyncio
import ipaddress
import secrets
from collections import deque
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from promptopt.errors import Refused, TooLarge
from promptopt.http.answers import failure

LARGEST_BODY = 4 * 1024 * 1024
"Bytes; the longest prompt written in JSON escapes has 1.2 million."
DISCARDED = 16 * 1024 * 1024
"Bytes that are read and thrown away, so that a client which sends too much reads the answer and not a reset."
OPEN_PATHS = ("/", "/health", "/health/live", "/health/ready")


class SameSite:
    """Lets in what was meant for this server, and from no other site's page.

    A page can point a name of its own at this machine (DNS rebinding) but neither an address nor a name that it does not own;
    so addresses, `localhost` and `hosts` pass. Origins pass that are the server's own or in `origins`.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._origins = set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._known(host):
            return failure(Refused(f"This server is not {host!r}.", "Use its address, or start it with --allowed_hosts NAME."), 421)
        if origin is None or origin in self._origins or netloc(origin) == host.lower():
            return None
        return failure(Refused(f"Pages of {origin!r} may not use this server.", "Start it with --allowed_origins ORIGIN."), 403)

    def _known(self, host: str) -> bool:
        name = host_name(host)
        return name in self._hosts or is_address(name)


class Token:
    """Lets in who sends `Authorization: Bearer` with the token; health is open to everybody, and so is the page, which then asks for it."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        closed = scope["type"] == "http" and scope["path"] not in OPEN_PATHS and not self._right(Headers(scope=scope))
        refusal = failure(
            Refused("The bearer token is missing or wrong.", "Send the header: Authorization: Bearer TOKEN"),
            401,
            {"WWW-Authenticate": "Bearer"},
        )
        await (refusal if closed else self._app)(scope, receive, send)

    def _right(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return secrets.compare_digest(f"{scheme.lower()} {given.strip()}".encode(), self._expected)


class FromHere:
    """Lets in who asks from this machine: for a server without a token that others might reach."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        closed = scope["type"] == "http" and not is_loopback((scope.get("client") or ("",))[0])
        refusal = failure(Refused("This server has no token and answers its own machine only.", "Set PROMPTOPT_TOKEN, or token_file."), 401)
        await (refusal if closed else self._app)(scope, receive, send)


class WholeRequests:
    """Hands a request on when its body is complete, and cancels what is done for it when its client goes away."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        messages, size = await received(receive, Headers(scope=scope).get("content-length", ""))
        if size > LARGEST_BODY:
            error = TooLarge(
                f"The request has {size:,} bytes or more; {LARGEST_BODY:,} are allowed.", "Send fewer prompts at a time, or shorter ones."
            )
            await failure(error, 413)(scope, receive, send)
        elif messages is not None:
            await self._attended(scope, messages, receive, send)

    async def _attended(self, scope: Scope, messages: deque[Message], receive: Receive, send: Send) -> None:
        left, answered = asyncio.Event(), False

        async def replay() -> Message:
            if messages:
                return messages.popleft()
            await left.wait()
            return {"type": "http.disconnect"}

        async def answer(message: Message) -> None:
            nonlocal answered
            await send(message)
            answered = message["type"] == "http.response.body" and not message.get("more_body", False)

        work = asyncio.ensure_future(self._app(scope, replay, answer))
        departure = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({work, departure}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not answered:
                scope["promptopt.abandoned"] = True
                work.cancel()
            await asyncio.wait({work})
        finally:
            work.cancel()
            departure.cancel()
            left.set()
        if not work.cancelled():
            work.result()


async def received(receive: Receive, announced: str) -> tuple[deque[Message] | None, int]:
    """The messages of a body and its bytes, without those that are too many; None when the client left meanwhile."""
    messages: deque[Message] = deque()
    size = 0
    if announced.isdigit() and int(announced) > DISCARDED:
        return messages, int(announced)
    while size <= DISCARDED:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None, 0
        size += len(message.get("body", b""))
        if size <= LARGEST_BODY:
            messages.append(message)
        if not message.get("more_body", False):
            break
    return messages, size


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case; empty when it is malformed."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def netloc(origin: str) -> str:
    """Host and port of an Origin header, in lower case; empty when it is malformed."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def is_address(host: str) -> bool:
    """Whether this is an IP address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)
