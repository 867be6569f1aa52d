"""What each message passes before its handler: what pygls would leave unanswered, malformed, too early or too late, is answered."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from promptopt.lsp.session import INVALID_PARAMS, Session

INVALID_REQUEST = -32600
NOT_INITIALIZED = -32002
_LOG = logging.getLogger(__name__)


class Gate:
    """Takes messages as JSON, and hands those on to pygls' `protocol` that it can read at this point of the conversation.

    pygls would read each object within a message as a message of its own if it looks like one; here only the whole is one.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._protocol = session.server.protocol
        self._structure = self._protocol.structure_message
        self._handle: Callable[[Any], None] = self._protocol.handle_message
        self._begun = False

    def pass_on(self, data: Any) -> None:
        """Handles or answers one message; what is neither a request nor readable is passed over."""
        if not isinstance(data, Mapping) or "jsonrpc" not in data:
            _LOG.warning("something that is no message was passed over")
            return
        method, asks = data.get("method"), "method" in data and type(data.get("id")) in (int, str)
        refusal = self._refusal(method)
        if refusal is not None:
            self._answer(data, refusal, asks)
            return
        try:
            message = self._structure(dict(data))
        except JsonRpcException:
            self._answer(data, JsonRpcException("The message is malformed.", INVALID_PARAMS), asks)
            return
        self._begun = self._begun or method == types.INITIALIZE
        self._handle(message)
        self._forget()

    def _forget(self) -> None:
        """Lets go of what has ended: pygls keeps the future of every notification, as if one could be cancelled by its id."""
        futures = self._protocol._request_futures
        for number in [number for number, future in futures.items() if future.done()]:
            del futures[number]

    def _refusal(self, method: object) -> JsonRpcException | None:
        """Why a message of this method cannot be taken now; None when it can. Answers have no method and always can."""
        if method in (None, types.EXIT):
            return None
        if self._session.ending:
            return JsonRpcException("The server is shut down.", INVALID_REQUEST)
        if self._begun and method == types.INITIALIZE:
            return JsonRpcException("The server is initialized already.", INVALID_REQUEST)
        if not self._begun and method != types.INITIALIZE:
            return JsonRpcException("The server is not initialized yet.", NOT_INITIALIZED)
        return None

    def _answer(self, data: Mapping[str, Any], error: JsonRpcException, asks: bool) -> None:
        """Tells who waits: the client for its request, or a handler of ours for the client's answer."""
        if asks:
            self._protocol._send_response(data["id"], error=error.to_response_error())
        elif "method" not in data and type(data.get("id")) in (int, str):
            self._handle(types.ResponseErrorMessage(id=data["id"], error=error.to_response_error()))
        else:
            _LOG.warning("a message was passed over: %s", error.message)


def guard(session: Session) -> None:
    """Puts a gate ahead of all handlers of a session."""
    gate = Gate(session)
    protocol = session.server.protocol
    protocol.structure_message = lambda data: data  # type: ignore[method-assign]
    protocol.handle_message = gate.pass_on  # type: ignore[method-assign, assignment]
