"""The server on a socket, for one client: the first that begins as a language client does.

A page in a browser cannot: what it sends begins with the method of HTTP. Without this its request would be read as a message.
"""

import asyncio
import logging
import threading
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from dataclasses import dataclass

from pygls.io_ import run_async
from pygls.lsp.server import LanguageServer

_HEADER = b"Content-"
_LOG = logging.getLogger(__name__)


@dataclass
class Begun:
    """What comes from a client whose first line has been read."""

    first: bytes
    rest: StreamReader

    async def readline(self) -> bytes:
        """The next line with its end; empty when the client has gone."""
        first, self.first = self.first, b""
        return first or await self.rest.readline()

    async def readexactly(self, count: int) -> bytes:
        """The next bytes. Raises IncompleteReadError when the client goes before."""
        return await self.rest.readexactly(count)


def serve_one_client(server: LanguageServer, host: str, port: int) -> None:
    """Returns when the client has gone. Raises OSError when it cannot listen there."""
    asyncio.run(_serve(server, host, port))


async def _serve(server: LanguageServer, host: str, port: int) -> None:
    client: asyncio.Future[tuple[Begun, StreamWriter]] = asyncio.get_running_loop().create_future()

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            first = await reader.readline()
        except (ConnectionError, ValueError):  # gone, or a line without end
            first = b""
        if first.startswith(_HEADER) and not client.done():
            client.set_result((Begun(first, reader), writer))
            return
        if first:
            _LOG.warning("a connection was closed that did not begin as a language client does")
        writer.close()

    listening = await asyncio.start_server(connected, host, port)
    begun, writer = await client
    listening.close()
    server.protocol.set_writer(writer)
    try:
        await run_async(threading.Event(), begun, server.protocol, error_handler=server.report_server_error)
    except (ConnectionError, IncompleteReadError):
        _LOG.info("the client has gone within a message")
    server.shutdown()  # type: ignore[no-untyped-call]
