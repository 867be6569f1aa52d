"""Work-done progress of one rewrite, where the client shows any."""

import asyncio
import logging
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from promptopt.lsp.actions import TITLE

CREATE_TIMEOUT = 2.0
_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def work_done_progress(
    server: LanguageServer, token: types.ProgressToken | None, shown: bool, stop: threading.Event
) -> AsyncIterator[Callable[[str], None]]:
    """Shows progress around the block; the yielded function reports a message. The user's cancel sets `stop`.

    `token` is the client's own, if it sent one; otherwise one is created where `shown`. No answer within two seconds means no progress.
    """
    if token is None and shown:
        token = await _created(server)
    if token is None:
        yield lambda message: None
        return
    progress = server.work_done_progress
    progress.begin(token, types.WorkDoneProgressBegin(title=TITLE, cancellable=True))
    progress.tokens[token].add_done_callback(lambda future: stop.set() if future.cancelled() else None)
    try:
        yield lambda message: progress.report(token, types.WorkDoneProgressReport(message=message, cancellable=True))
    finally:
        progress.end(token, types.WorkDoneProgressEnd())
        progress.tokens.pop(token, None)


async def _created(server: LanguageServer) -> str | None:
    token = str(uuid.uuid4())
    try:
        await asyncio.wait_for(server.work_done_progress.create_async(token), CREATE_TIMEOUT)
    except (TimeoutError, JsonRpcException) as error:
        _LOG.warning("the client did not create a progress: %s", type(error).__name__)
        server.work_done_progress.tokens.pop(token, None)
        return None
    return token
