"""Applications on fake optimizers, and clients of them."""

import json
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
from fakes import FakeEngine, manifest, mini_codec
from fastapi import FastAPI

from promptopt.engine.loader import Model
from promptopt.engine.protocol import Decoding, Token
from promptopt.errors import BundleError
from promptopt.http.app import create_app
from promptopt.optimizer import Optimizer
from promptopt.settings import ServerSettings, Settings

CODEC = mini_codec()


class Held:
    """The fake engine, which waits for `go` at its first piece, and tells what it was asked."""

    name = "held"

    def __init__(self, ids: Sequence[int] | None = None) -> None:
        self.engine = FakeEngine(CODEC, ids=ids)
        self.go, self.begun, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.go.set()
        self.batches: list[int] = []
        self.stopped = 0

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        self._wait(stop)
        yield from self.engine.stream(source, decoding, stop)

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        self.batches.append(len(sources))
        self._wait(stop)
        return self.engine.batch(sources, decoding, stop)

    def _wait(self, stop: threading.Event) -> None:
        self.begun.set()
        while not self.go.wait(0.005) and not stop.is_set():
            pass
        self.stopped += stop.is_set()
        self.ended.set()

    def optimizer(self, settings: Settings) -> Optimizer:
        return Optimizer(settings, lambda _: Model(manifest(), CODEC, self))


def broken(settings: Settings) -> Optimizer:
    """An optimizer whose adapter is not there."""

    def load(_: Settings) -> Model:
        raise BundleError("There is no such adapter.", "Name another.")

    return Optimizer(settings, load)


@asynccontextmanager
async def serving(
    engine: Held | None = None, token: str = "", app: FastAPI | None = None, **changes: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application that has started up."""
    app = app or create_app(Settings(), replace(ServerSettings(), **changes), token, (engine or Held()).optimizer)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        yield client


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Server-sent events, each its name and its data."""
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found
