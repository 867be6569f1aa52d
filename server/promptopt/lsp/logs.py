"""Where the log goes: standard error, a file, and the client."""

import asyncio
import logging
import sys
from pathlib import Path

from lsprotocol import types
from pygls.lsp.server import LanguageServer

FORMAT = "%(levelname)s %(name)s: %(message)s"
OWN = logging.getLogger("promptopt")
_KINDS = {
    logging.ERROR: types.MessageType.Error,
    logging.WARNING: types.MessageType.Warning,
    logging.INFO: types.MessageType.Info,
    logging.DEBUG: types.MessageType.Log,
}


def start_logging(level: str, file: Path | None) -> None:
    """Logs to standard error, and to the end of `file`. Raises OSError when that cannot be written.

    The library's own log has every message in it, prompts too, and is kept out.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        handlers.append(logging.FileHandler(file, encoding="utf-8"))
        handlers[1].setFormatter(logging.Formatter(f"%(asctime)s {FORMAT}"))
    handlers[0].setFormatter(logging.Formatter(FORMAT))
    logging.basicConfig(level=level.upper(), handlers=handlers)
    logging.getLogger("pygls").setLevel(logging.CRITICAL)


class ClientLog(logging.Handler):
    """Sends our own records to the client as window/logMessage, from whatever thread they come."""

    def __init__(self, server: LanguageServer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._server = server
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        """Sends one record, unless the client has left."""
        params = types.LogMessageParams(_KINDS.get(record.levelno, types.MessageType.Log), record.getMessage())
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._server.window_log_message, params)
