"""A rewrite as an iterator, and for event loops."""

import asyncio
import itertools
import threading
from collections.abc import Iterator, Sequence

import pytest
from fakes import FakeEngine, fake_optimizer, fake_rewrite, manifest, mini_codec

from promptopt.codec import END
from promptopt.engine.loader import Model
from promptopt.engine.protocol import Decoding, Token
from promptopt.errors import Cancelled, InvalidInput, RewriteFailed
from promptopt.optimizer import Optimizer, Progress, Rewrite
from promptopt.settings import Settings

CODEC = mini_codec()


class Endless:
    """Writes until it is stopped, and tells that it was."""

    name = "endless"

    def __init__(self) -> None:
        self.begun, self.stopped = threading.Event(), threading.Event()

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        self.begun.set()
        yield Token(CODEC.prompt, -0.1)
        stop.wait(20)
        if stop.is_set():
            self.stopped.set()

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        raise AssertionError("nobody asked for a batch")

    def optimizer(self) -> Optimizer:
        return Optimizer(Settings(), lambda _: Model(manifest(), CODEC, self))


def failing() -> Optimizer:
    return Optimizer(Settings(), lambda _: Model(manifest(), CODEC, FakeEngine(CODEC, ids=[*CODEC.plain("Act."), END])))


def whole(told: Sequence[Progress | Rewrite]) -> str:
    """The text of a stream that went as it should: progress, growing, then the rewrite."""
    *progress, rewrite = told
    assert isinstance(rewrite, Rewrite)
    assert [step.tokens for step in progress] == list(range(1, rewrite.tokens))
    texts = [step.text for step in progress if isinstance(step, Progress)]
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    assert texts[-1] == rewrite.text
    return rewrite.text


def test_a_stream_tells_of_each_piece_and_gives_the_rewrite() -> None:
    assert whole(list(fake_optimizer().stream("create function"))) == fake_rewrite("create function")


def test_other_rewrites_can_be_made_while_one_is_read() -> None:
    optimizer = fake_optimizer()
    read = [(told, optimizer.optimize("b").text) for told in optimizer.stream("a")]
    assert whole([told for told, _ in read]) == fake_rewrite("a")
    assert {text for _, text in read} == {fake_rewrite("b")}


def test_a_stream_raises_what_optimize_raises() -> None:
    with pytest.raises(InvalidInput):
        list(fake_optimizer().stream(" "))
    with pytest.raises(RewriteFailed):
        list(failing().stream("a"))


def test_a_stream_that_is_closed_stops_the_network() -> None:
    engine = Endless()
    stream = engine.optimizer().stream("a")
    next(stream)
    stream.close()
    assert engine.stopped.is_set()


def test_a_stream_that_is_interrupted_stops_the_network() -> None:
    engine = Endless()
    stream = engine.optimizer().stream("a")
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt())
    assert engine.stopped.is_set()


def test_a_stream_that_is_read_to_its_end_leaves_the_reader_s_event_alone() -> None:
    stop = threading.Event()
    assert whole(list(fake_optimizer().stream("a", stop))) == fake_rewrite("a")
    assert not stop.is_set()


def test_a_stream_is_cancelled() -> None:
    stop = threading.Event()
    stream = Endless().optimizer().stream("a", stop)
    next(stream)
    stop.set()
    with pytest.raises(Cancelled):
        list(stream)


async def test_the_asynchronous_forms_give_the_same() -> None:
    optimizer = fake_optimizer()
    assert (await optimizer.aoptimize("a")).text == fake_rewrite("a")
    assert whole([told async for told in optimizer.astream("a")]) == fake_rewrite("a")


async def test_the_asynchronous_forms_raise_the_same() -> None:
    with pytest.raises(InvalidInput):
        await fake_optimizer().aoptimize("")
    with pytest.raises(RewriteFailed):
        [told async for told in failing().astream("a")]


async def test_cancelling_the_task_stops_the_network() -> None:
    engine = Endless()
    task = asyncio.create_task(engine.optimizer().aoptimize("a"))
    await asyncio.to_thread(engine.begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(engine.stopped.wait, 10)


async def test_leaving_an_asynchronous_stream_stops_the_network() -> None:
    engine = Endless()
    stream = engine.optimizer().astream("a")
    await anext(stream)
    await stream.aclose()
    assert await asyncio.to_thread(engine.stopped.wait, 10)
