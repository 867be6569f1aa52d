"""Jobs on the network's thread: states, supersession, release when idle."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import fake_optimizer

from promptopt.errors import BundleError, Cancelled
from promptopt.lsp import jobs
from promptopt.lsp.jobs import Jobs, throttled
from promptopt.lsp.models import Optimizers
from promptopt.lsp.status import State
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

pytestmark = pytest.mark.asyncio
PLACE = ("file:///a", 0)


def no_report(message: str) -> None:
    """Nobody looks."""


class Watched:
    """Jobs on fake optimizers, with what they told."""

    def __init__(self, delay: float = 0.0, idle: float = 0.0) -> None:
        self.states: list[tuple[State, str]] = []
        self.made: list[Settings] = []
        self.optimizers = Optimizers(self.make)
        self.delay = delay
        self.jobs = Jobs(self.optimizers, lambda state, message: self.states.append((state, message)), lambda: idle)

    def make(self, settings: Settings) -> Optimizer:
        if settings.adapter == "nowhere":
            raise BundleError("There is no such adapter.")
        self.made.append(settings)
        return fake_optimizer(self.delay)

    async def run(self, place: tuple[str, int] = PLACE, settings: Settings | None = None, stop: threading.Event | None = None) -> Any:
        def work(optimizer: Optimizer, stop: threading.Event, on_token: Any) -> str:
            return optimizer.optimize("make", stop, on_token).text

        return await self.jobs.run(place, settings or Settings(), work, stop or threading.Event(), no_report)


async def test_a_network_is_loaded_once_and_each_state_told() -> None:
    watched = Watched()
    await watched.run()
    await watched.run()
    running, ready = (State.RUNNING, "Rewriting."), (State.READY, "Ready.")
    assert watched.states == [(State.LOADING, "Loading the adapter golden."), running, ready, running, ready]
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
    one, two = asyncio.ensure_future(watched.run()), asyncio.ensure_future(watched.run(("file:///b", 0)))
    await asyncio.sleep(0)
    watched.jobs.stop_document("file:///a")
    with pytest.raises(Cancelled):
        await one
    assert "make" in await two
    assert watched.states[-1][0] == State.READY


async def test_an_idle_network_is_released_and_loaded_again() -> None:
    watched = Watched(idle=0.01)
    await watched.run()
    while watched.optimizers.loaded(Settings()):
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
