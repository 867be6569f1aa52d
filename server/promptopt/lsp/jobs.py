"""One rewrite at a time on a thread of its own; each can be stopped within one token."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from promptopt.adapters.access import Fetched
from promptopt.optimizer import Optimizer, Rewrite

REPORT_INTERVAL = 0.1
Place = tuple[str, int]


class Jobs:
    """Runs rewrites for the event loop. A new one for the same place of a document stops the one under way there."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="promptopt-inference")
        self._running: dict[Place, threading.Event] = {}

    async def run(self, place: Place, text: str, stop: threading.Event, report: Callable[[str], None]) -> Rewrite:
        """The rewrite of `text`. Raises what `Optimizer.optimize` raises; if the awaiting task is cancelled the network stops."""
        loop = asyncio.get_running_loop()
        superseded = self._running.get(place)
        if superseded is not None:
            superseded.set()
        self._running[place] = stop
        last = 0.0

        def show(message: str) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= REPORT_INTERVAL:
                last = now
                loop.call_soon_threadsafe(report_unless_stopped, message)

        def report_unless_stopped(message: str) -> None:
            if not stop.is_set():  # after the end of a progress nothing may follow
                report(message)

        def rewrite() -> Rewrite:
            self.optimizer.fetch(lambda fetched: show(message_of(fetched)), stop)
            return self.optimizer.optimize(text, stop, lambda progress: show(f"{progress.tokens} pieces"))

        try:
            return await loop.run_in_executor(self._executor, rewrite)
        except asyncio.CancelledError:
            stop.set()
            raise
        finally:
            if self._running.get(place) is stop:
                del self._running[place]

    def stop_all(self) -> None:
        """Stops every rewrite under way or waiting."""
        for stop in self._running.values():
            stop.set()

    def close(self) -> None:
        """Stops everything and lets the thread end."""
        self.stop_all()
        self._executor.shutdown(wait=False, cancel_futures=True)


def message_of(fetched: Fetched) -> str:
    """How far a download is, for people."""
    return f"fetching {fetched.name}: {fetched.done / 1e6:.1f} of {fetched.total / 1e6:.1f} MB"
