"""Jobs on the network's thread: states, supersession, release when idle."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from fakes import fake_optimizer

from promptopt.adapters.access import Fetched
from promptopt.errors import BundleError, Cancelled
from promptopt.lsp import jobs
from promptopt.lsp.jobs import Jobs, throttled
from promptopt.lsp.models import Optimizers
from promptopt.lsp.status import State
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

pytestmark = pytest.mark.asyncio
PLACE, ELSEWHERE, THIRD = ("file:///a", 0), ("file:///b", 0), ("file:///c", 0)
FAR = Settings(adapter="far")
RUNNING, READY = (State.RUNNING, "Rewriting."), (State.READY, "Ready.")
PATIENCE = 15.0


def no_report(message: str) -> None:
    """Nobody looks."""


def loading(adapter: str) -> tuple[State, str]:
    """What is told while an adapter is loaded."""
    return State.LOADING, f"Loading the adapter {adapter}."


class Download:
    """One that goes on, a chunk each millisecond, until it is over or stopped."""

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self.chunks = self.asked = 0

    def fetch(self, report: Callable[[Fetched], None], stop: threading.Event | None = None) -> None:
        assert stop is not None
        self.asked += 1
        self.begun.set()
        while not self.over.wait(0.001):
            if stop.is_set():
                raise Cancelled("Fetching was cancelled.")
            self.chunks += 1
            report(Fetched("far", self.chunks, 0))


class Watched:
    """Jobs on fake optimizers, with what they told."""

    def __init__(self, delay: float = 0.0, idle: float = 0.0) -> None:
        self.states: list[tuple[State, str]] = []
        self.made: list[Settings] = []
        self.downloads: dict[str, Download] = {}
        self.optimizers = Optimizers(self.make)
        self.delay = delay
        self.jobs = Jobs(self.optimizers, self.tell, lambda: idle)

    def tell(self, *state_and_message: Any) -> None:
        if self.states[-1:] != [state_and_message]:  # as the client is told
            self.states.append(state_and_message)

    def make(self, settings: Settings) -> Optimizer:
        if settings.adapter == "nowhere":
            raise BundleError("There is no such adapter.")
        self.made.append(settings)
        made = fake_optimizer(self.delay)
        if settings.adapter in self.downloads:
            made.fetch = self.downloads[settings.adapter].fetch  # type: ignore[method-assign]
        return made

    async def run(self, place: tuple[str, int] = PLACE, settings: Settings | None = None, stop: threading.Event | None = None) -> Any:
        def work(optimizer: Optimizer, stop: threading.Event, on_token: Any) -> str:
            return optimizer.optimize("make", stop, on_token).text

        return await self.jobs.run(place, settings or Settings(), work, stop or threading.Event(), no_report)


async def test_a_network_is_loaded_once_and_each_state_told() -> None:
    watched = Watched()
    await watched.run()
    await watched.run()
    assert watched.states == [loading("golden"), RUNNING, READY, RUNNING, READY]
    assert watched.made == [Settings()]


async def test_each_adapter_has_its_own_network() -> None:
    watched = Watched()
    other = Settings(adapter="other")
    for settings in (Settings(), other, Settings(log_level="debug"), other):
        await watched.run(settings=settings)
    assert watched.made == [Settings(), other]


async def test_a_failure_is_told_in_its_own_words() -> None:
    watched = Watched()
    with pytest.raises(BundleError):
        await watched.run(settings=Settings(adapter="nowhere"))
    assert watched.states[-1] == (State.ERROR, "There is no such adapter.")


async def test_a_closed_document_stops_its_jobs_and_no_others() -> None:
    watched = Watched(delay=0.01)
    one, two = asyncio.ensure_future(watched.run()), asyncio.ensure_future(watched.run(ELSEWHERE))
    await asyncio.sleep(0)
    watched.jobs.stop_document("file:///a")
    with pytest.raises(Cancelled):
        await one
    assert "make" in await two
    assert watched.states[-1][0] == State.READY


@pytest_asyncio.fixture
async def far() -> AsyncIterator[Download]:
    """A download that ends with the test at the latest."""
    download = Download()
    yield download
    download.over.set()


async def fetching(watched: Watched, far: Download, stop: threading.Event | None = None) -> "asyncio.Task[Any]":
    """A job that waits for its download, behind one that has loaded the default adapter."""
    watched.downloads["far"] = far
    await watched.run()
    watched.states.clear()
    task = asyncio.ensure_future(watched.run(ELSEWHERE, FAR, stop))
    assert await asyncio.to_thread(far.begun.wait, PATIENCE)
    return task


async def test_a_loaded_network_rewrites_while_another_is_downloaded(far: Download) -> None:
    watched = Watched()
    task = await fetching(watched, far)
    assert "make" in await asyncio.wait_for(watched.run(), PATIENCE)
    assert not task.done()
    assert watched.states == [loading("far"), RUNNING, loading("far")]
    far.over.set()
    assert "make" in await task
    assert watched.states[3:] == [RUNNING, READY]


@pytest.mark.parametrize("way", ["stop", "task", "document", "newer"])
async def test_a_download_is_stopped_within_a_chunk(way: str, far: Download) -> None:
    watched, stop = Watched(), threading.Event()
    task = await fetching(watched, far, stop)
    if way == "stop":
        stop.set()
    elif way == "task":
        task.cancel()
    elif way == "document":
        watched.jobs.stop_document(ELSEWHERE[0])
    else:
        assert "make" in await asyncio.wait_for(watched.run(ELSEWHERE), PATIENCE)
    with pytest.raises(asyncio.CancelledError if way == "task" else Cancelled):
        await task
    assert stop.is_set()
    chunks = far.chunks
    await watched.run(THIRD, Settings(adapter="other"))  # is loaded behind what is stopped
    assert far.chunks <= chunks + 1
    assert watched.states[-1] == READY


async def test_one_download_at_a_time_and_none_twice(far: Download) -> None:
    watched, farther = Watched(), Download()
    watched.downloads["farther"] = farther
    task = await fetching(watched, far)
    other = asyncio.ensure_future(watched.run(THIRD, Settings(adapter="farther")))
    again = asyncio.ensure_future(watched.run(("file:///d", 0), FAR))
    assert "make" in await asyncio.wait_for(watched.run(), PATIENCE)
    assert not farther.begun.is_set()
    far.over.set()
    farther.over.set()
    assert await asyncio.gather(task, again, other) == [await watched.run()] * 3
    assert (far.asked, farther.asked) == (1, 1)


async def test_a_network_that_cannot_be_loaded_changes_nothing_for_a_rewrite_under_way() -> None:
    watched = Watched(delay=0.01)
    await watched.run()
    watched.states.clear()
    rewriting = asyncio.ensure_future(watched.run())
    await asyncio.sleep(0)
    with pytest.raises(BundleError):
        await watched.run(ELSEWHERE, Settings(adapter="nowhere"))
    assert not rewriting.done()
    assert "make" in await rewriting
    assert [state for state in watched.states if state[0] != State.LOADING] == [RUNNING, READY]


async def test_a_job_whose_network_is_there_as_all_is_closed_is_cancelled(far: Download) -> None:
    watched = Watched()
    task = await fetching(watched, far)
    far.over.set()
    while not watched.optimizers.ready(FAR):
        time.sleep(0.001)  # the loop must not go on yet
    watched.jobs.close()
    with pytest.raises(Cancelled):
        await task


async def test_an_idle_network_is_released_and_loaded_again() -> None:
    watched = Watched(idle=0.01)
    await watched.run()
    while watched.optimizers.ready(Settings()):
        await asyncio.sleep(0.01)
    await watched.run()
    assert watched.made == [Settings(), Settings()]


async def test_a_network_is_not_released_during_a_run() -> None:
    watched = Watched(delay=0.01, idle=0.001)
    await watched.run()
    await asyncio.gather(*(watched.run(("file:///a", number)) for number in range(3)))
    assert len(watched.made) <= 2


async def test_nothing_is_released_when_the_setting_is_zero() -> None:
    watched = Watched(idle=0)
    await watched.run()
    assert watched.jobs._timer is None


async def test_what_comes_too_soon_after_the_last_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.02, 0.04, 0.05, 0.06, 0.11])
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    sent: list[int] = []
    send = throttled(0.05, sent.append)
    for number in range(6):
        send(number)
    assert sent == [0, 3, 5]
