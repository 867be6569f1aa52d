"""The real language server, started as its command starts it, on an optimizer that needs no weights.

PROMPTOPT_FAKE_DELAY: seconds per piece.  PROMPTOPT_FAKE_NOISE: print to standard output in every way there is, during each rewrite.
PROMPTOPT_FAKE_ADAPTERS: name the adapter of the settings in the rewrite; there is none called nowhere.
PROMPTOPT_FAKE_BROKEN: write rewrites that do not point at the prompt.
PROMPTOPT_FAKE_DRAWS: write another persona at each draw.
PROMPTOPT_FAKE_CRASH: fail in each rewrite as only a fault of the program would.

The request `test/written` gives the number of pieces written until now, and until the network is idle; `test/document` the text of an
open document; `test/held` how many requests and notifications pygls still has in hand.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fakes import LEAD, TAIL, FakeEngine, fake_model, manifest, mini_codec

from promptopt.adapters.access import Access
from promptopt.adapters.locate import locate
from promptopt.codec import END, Codec
from promptopt.engine.loader import Model
from promptopt.engine.protocol import Decoding, Token
from promptopt.lsp import cli, server
from promptopt.lsp.session import Session
from promptopt.optimizer import Optimizer, Rewrite
from promptopt.settings import Settings

NOISE = "stray output"
ENGINES: list[FakeEngine] = []


def optimizer(settings: Settings) -> Optimizer:
    """What the environment asks for."""
    if "PROMPTOPT_FAKE_ADAPTERS" in os.environ:
        return Optimizer(settings, named)
    if "PROMPTOPT_FAKE_DRAWS" in os.environ:
        return Optimizer(settings, lambda _: Model(manifest(), mini_codec(), Drawing(mini_codec())))
    made = Optimizer(settings, counted)
    if "PROMPTOPT_FAKE_BROKEN" in os.environ:
        codec = mini_codec()
        made = Optimizer(settings, lambda _: Model(manifest(), codec, FakeEngine(codec, ids=[*codec.plain("Act."), END])))
    if "PROMPTOPT_FAKE_CRASH" in os.environ:
        made.optimize = crash  # type: ignore[assignment]
    if "PROMPTOPT_FAKE_NOISE" in os.environ:
        made.optimize = noisy(made.optimize)  # type: ignore[method-assign]
    return made


def counted(_: Settings) -> Model:
    """A model whose pieces are counted."""
    made = fake_model(float(os.environ.get("PROMPTOPT_FAKE_DELAY", "0")))
    assert isinstance(made.engine, FakeEngine)
    ENGINES.append(made.engine)
    return made


def named(settings: Settings) -> Model:
    """A model whose rewrites name their adapter."""
    if settings.adapter == "nowhere":
        locate(settings.adapter, Access(offline=True))
    codec = mini_codec()
    return Model(manifest(), codec, FakeEngine(codec, ids=ids_by(codec, settings.adapter)))


def ids_by(codec: Codec, persona: str) -> list[int]:
    """The ids of the fake rewrite with another persona."""
    return [*codec.plain(LEAD.replace("tester", persona)), codec.prompt, *codec.plain(TAIL), END]


class Drawing:
    """An engine whose draws have personas of their own: the seeds."""

    name = "fake"

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        return FakeEngine(self._codec, ids=ids_by(self._codec, f"tester {decoding.seed}")).stream(source, decoding, stop)

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        return [list(self.stream(source, decoding, stop)) for source in sources]


def noisy(optimize: Callable[..., Rewrite]) -> Callable[..., Rewrite]:
    """`optimize`, with output on standard output before it by Python, by the file descriptor and by a child process."""

    def wrapped(*arguments: object) -> Rewrite:
        print(NOISE, "of print", flush=True)
        os.write(1, f"{NOISE} of write\n".encode())
        subprocess.run([sys.executable, "-S", "-c", f"print('{NOISE} of a child')"], check=True)
        return optimize(*arguments)

    return wrapped


def crash(prompt: str, *_: object) -> Rewrite:
    """Fails while it has the prompt."""
    raise ZeroDivisionError(f"a fault of the program, {len(prompt)}")


def create() -> Session:
    """A server on `optimizer` that tells what was written."""
    session = create_server(optimizer)

    @session.server.feature("test/written")
    async def written(*_: object) -> list[int]:
        now = sum(engine.written for engine in ENGINES)
        await session.jobs.beside(lambda _: None)
        return [now, sum(engine.written for engine in ENGINES)]

    @session.server.feature("test/document")
    def document(params: Any) -> str | None:
        found = session.document(params.uri)
        return found and found.source

    @session.server.feature("test/held")
    def held(*_: object) -> int:
        return len(session.server.protocol._request_futures)

    return session


if __name__ == "__main__":
    create_server = server.create_server
    server.create_server = create  # type: ignore[assignment]
    sys.exit(cli.main())
