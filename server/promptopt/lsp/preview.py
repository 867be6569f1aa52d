"""What `promptopt.preview` is asked for: a rewrite that the client shows while it grows, and applies itself once its user accepts it."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from promptopt.lsp.jobs import throttled
from promptopt.optimizer import Progress

PREVIEW = "promptopt.preview"
INTERVAL = 0.05
"Seconds between two states of a growing rewrite: an eye follows no more than about twenty in a second."


@dataclass(frozen=True)
class Wish:
    """A rewrite to be shown as it grows.

    version: of the document that `range` (of the protocol, as JSON) is in, None where the client does not say.  adapter: which one
    writes; empty for that of the settings.  token: under which the client listens.
    """

    uri: str
    version: int | None
    range: Mapping[str, Any]
    adapter: str
    token: types.ProgressToken

    @classmethod
    def from_json(cls, data: Any) -> "Wish":
        """A wish from `{textDocument: {uri, version?}, range, adapter?, token}`. Raises ValueError for anything else."""
        document = data.get("textDocument") if isinstance(data, Mapping) else None
        if (
            not isinstance(document, Mapping)
            or not isinstance(document.get("uri"), str)
            or type(document.get("version")) not in (int, type(None))
            or not isinstance(data.get("range"), Mapping)
            or not isinstance(data.get("adapter"), str | None)
            or type(data.get("token")) not in (int, str)
        ):
            raise ValueError("not a wish for a preview")
        return cls(document["uri"], document.get("version"), data["range"], data.get("adapter") or "", data["token"])


def growing(
    server: LanguageServer, loop: asyncio.AbstractEventLoop, token: types.ProgressToken, stop: threading.Event
) -> Callable[[Progress], None]:
    """A function for any thread that sends the client the rewrite so far, every INTERVAL at most; nothing once `stop` is set."""

    def send(progress: Progress) -> None:
        if not stop.is_set():
            server.protocol.notify(types.PROGRESS, types.ProgressParams(token, asdict(progress)))

    return throttled(INTERVAL, lambda progress: loop.call_soon_threadsafe(send, progress))
