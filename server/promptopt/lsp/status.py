"""The notification `promptopt/status`: what the server is doing, for clients that show it."""

import logging
from collections.abc import Mapping
from enum import StrEnum

from lsprotocol import types
from pygls.lsp.server import LanguageServer

METHOD = "promptopt/status"
CAPABILITY = "promptoptStatus"
_LOG = logging.getLogger(__name__)


class State(StrEnum):
    """What the server is doing."""

    LOADING = "loading"
    READY = "ready"
    RUNNING = "running"
    ERROR = "error"


class Status:
    """Tells the client each state once; a client asks for that with the experimental capability `promptoptStatus`."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._told: tuple[State, str] | None = None
        self.wanted = False

    def tell(self, state: State, message: str) -> None:
        """Tells the client unless it knows. `message` is a sentence for people; it never has text of a prompt."""
        if (state, message) == self._told:
            return
        self._told = state, message
        _LOG.debug("%s", state.value)
        if self.wanted:
            self._server.protocol.notify(METHOD, {"state": state.value, "message": message})


def wants_status(capabilities: types.ClientCapabilities) -> bool:
    """Whether the client declares that it takes the notification."""
    experimental = capabilities.experimental
    return isinstance(experimental, Mapping) and bool(experimental.get(CAPABILITY))
