"""One rewrite at a time on a thread of its own, one download on another; each can be stopped within one token, or one chunk."""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from promptopt.adapters.access import Fetched
from promptopt.errors import Cancelled, PromptoptError
from promptopt.lsp.models import Optimizers
from promptopt.lsp.status import State
from promptopt.optimizer import Optimizer, Progress
from promptopt.settings import Settings

REPORT_INTERVAL = 0.1
Place = tuple[str, int]
Report = Callable[[str], None]
Work = Callable[[Optimizer, threading.Event, Callable[[Progress], None]], "T"]
T = TypeVar("T")
Item = TypeVar("Item")
_LOG = logging.getLogger(__name__)


class Jobs:
    """Runs work on the network for the event loop. A new job for the same place of a document stops the one under way there.

    What a job lacks is fetched and loaded on a thread of its own, so that none waits for it whose network is in memory. `tell` is told
    of each state with a sentence. The networks are released after `idle()` seconds without a job; never when that is 0.
    """

    def __init__(self, optimizers: Optimizers, tell: Callable[[State, str], None], idle: Callable[[], float]) -> None:
        self._optimizers = optimizers
        self._tell = tell
        self._idle = idle
        self._inference = ThreadPoolExecutor(max_workers=1, thread_name_prefix="promptopt-inference")
        self._loading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="promptopt-loading")
        self._running: dict[Place, threading.Event] = {}
        self._doing: dict[threading.Event, tuple[State, str]] = {}
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, place: Place, settings: Settings, work: "Work[T]", stop: threading.Event, report: Report) -> T:
        """What `work` gives. Raises what it raises, and BundleError; if the awaiting task is cancelled the network stops."""
        loop = asyncio.get_running_loop()
        superseded = self._running.get(place)
        if superseded is not None:
            superseded.set()
        self._running[place] = stop
        self._begin()

        def report_unless_stopped(message: str) -> None:
            if not stop.is_set():  # after the end of a progress nothing may follow
                report(message)

        def send(message: str) -> None:
            loop.call_soon_threadsafe(report_unless_stopped, message)

        show = throttled(REPORT_INTERVAL, send)

        def check() -> None:
            if stop.is_set():
                raise Cancelled("The rewrite was cancelled.")

        def begin(state: State, message: str) -> None:
            check()
            loop.call_soon_threadsafe(self._do, stop, state, message)

        def load() -> Optimizer:
            ready = self._optimizers.ready(settings)  # since the job ahead
            if ready is None:
                begin(State.LOADING, f"Loading the adapter {settings.adapter}.")
                ready = self._optimizers.load(settings, lambda fetched: show(message_of(fetched)), stop)
            return ready

        def compute(optimizer: Optimizer) -> T:
            begin(State.RUNNING, "Rewriting.")
            return work(optimizer, stop, lambda progress: show(f"{progress.tokens} pieces"))

        problem = ""
        try:
            optimizer = self._optimizers.ready(settings)
            if optimizer is None:
                optimizer = await loop.run_in_executor(self._loading, load)
                check()  # all may have been closed meanwhile
            return await loop.run_in_executor(self._inference, compute, optimizer)
        except asyncio.CancelledError:
            stop.set()
            raise
        except PromptoptError as error:
            problem = "" if isinstance(error, Cancelled) else str(error)
            raise
        finally:
            if self._running.get(place) is stop:
                del self._running[place]
            self._doing.pop(stop, None)
            self._end(problem)

    async def beside(self, look: Callable[[Optimizers], T]) -> T:
        """What `look` makes of the networks; on their thread, after the rewrites that wait."""
        return await asyncio.get_running_loop().run_in_executor(self._inference, look, self._optimizers)

    def stop_document(self, uri: str) -> None:
        """Stops every rewrite for a document."""
        for (document, _), stop in self._running.items():
            if document == uri:
                stop.set()

    def stop_all(self) -> None:
        """Stops every rewrite under way or waiting."""
        for stop in self._running.values():
            stop.set()

    def close(self) -> None:
        """Stops everything and lets the threads end."""
        self.stop_all()
        if self._timer is not None:
            self._timer.cancel()
        for executor in (self._loading, self._inference):
            executor.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        self._waiting += 1
        if self._timer is not None:
            self._timer.cancel()

    def _do(self, stop: threading.Event, state: State, message: str) -> None:
        """A job begins to load or to run; one that was stopped meanwhile is not talked about."""
        if not stop.is_set():
            self._doing[stop] = state, message
            self._show()

    def _show(self) -> None:
        """Tells what is under way: a rewrite ahead of what is loaded beside it."""
        for doing in sorted(self._doing.values(), key=lambda doing: doing[0] != State.RUNNING)[:1]:
            self._tell(*doing)

    def _end(self, problem: str) -> None:
        """Tells what is still under way, or how it went; the last job under way starts the clock."""
        self._waiting -= 1
        if self._waiting:
            self._show()
            return
        self._tell(State.ERROR if problem else State.READY, problem or "Ready.")
        if self._idle() > 0:
            self._timer = asyncio.get_running_loop().call_later(self._idle(), self._release)

    def _release(self) -> None:
        """Runs on the thread of the networks, behind whatever a stopped job still does there."""

        def unload() -> None:
            if not self._waiting and self._optimizers.unload():
                _LOG.info("the network was idle and its memory is released")

        self._inference.submit(unload)


def throttled(interval: float, send: Callable[[Item], object]) -> Callable[[Item], None]:
    """`send`, but for what comes within `interval` seconds of the last that was sent; for one thread."""
    last = -math.inf

    def sent(item: Item) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= interval:
            last = now
            send(item)

    return sent


def message_of(fetched: Fetched) -> str:
    """How far a download is, for people."""
    return f"fetching {fetched.name}: {fetched.done / 1e6:.1f} of {fetched.total / 1e6:.1f} MB"
