"""Prompts of many clients on one network: what arrives together is rewritten together, and each client hears of its own."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from promptopt.errors import Busy, Cancelled, PromptoptError, TooLarge, Unavailable
from promptopt.optimizer import BATCH, Optimizer, Progress, Rewrite

WAIT = 0.005
"Seconds that the first prompt waits for others to share its batch."
PAUSE, LONGEST_PAUSE = 1.0, 60.0
"Seconds until loading that failed is tried again, twice as many each time: a server that is not ready may get no prompt to try it."
Work = Callable[[Optimizer, threading.Event], Any]


@dataclass(eq=False)
class Batch:
    """Jobs that are computed together; `stop` ends the network once nobody waits for any of them. proven: the network is in memory."""

    jobs: "list[Job]"
    stop: threading.Event = field(default_factory=threading.Event)
    proven: bool = False


@dataclass(eq=False)
class Job:
    """A prompt to be rewritten with others, or `work` that needs the network for itself; and who waits for it."""

    style: str
    prompt: str
    answer: "asyncio.Future[Any]"
    work: Work | None = None
    gone: bool = False
    batch: Batch | None = None

    def fail(self, error: BaseException) -> None:
        """Gives the error in the place of an answer; nobody need read it."""
        self.answer.set_exception(error)
        self.answer.exception()

    def leave(self) -> None:
        """Nobody waits for the answer any more, or it has been given."""
        self.gone = True
        self.answer.cancel()
        if self.batch is not None and all(job.gone for job in self.batch.jobs):
            self.batch.stop.set()


class Batches:
    """The queue before the network, and the one thread that runs it. All methods belong to one event loop.

    optimizer_for: the optimizer of a style, asked for on the network's thread.  longest: how many prompts may wait.
    observe: told of the size of each batch.  pause: seconds until loading is tried again for the first time.
    """

    def __init__(
        self,
        optimizer_for: Callable[[str], Optimizer],
        longest: int,
        observe: Callable[[int], None],
        wait: float = WAIT,
        pause: float = PAUSE,
    ) -> None:
        self._optimizer_for = optimizer_for
        self._longest = longest
        self._observe = observe
        self._wait = wait
        self._pause = pause
        self._queue: deque[Job] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="promptopt-inference")
        self._running: Batch | None = None
        self._worker: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[None] | None = None
        self._closed = False
        self.loaded = False
        self.problem: PromptoptError | None = None

    @property
    def waiting(self) -> int:
        """Prompts whose rewriting has not begun."""
        return len(self._queue)

    @property
    def ready(self) -> bool:
        """Whether a prompt would be rewritten now: the network is in memory, and this is not the end."""
        return self.loaded and not self._closed

    def start(self, style: str) -> None:
        """Takes prompts from now on, and loads the network of `style`, again and again if need be; `problem` says why that failed."""
        loop = asyncio.get_running_loop()
        self._loading = loop.create_task(self._load(style))
        self._worker = loop.create_task(self._serve())

    async def close(self) -> None:
        """Stops what runs and refuses what waits; a server that has answered everybody has nothing of either."""
        self._closed = True
        refused = [*self._queue, *(self._running.jobs if self._running else ())]
        self._queue.clear()
        if self._running is not None:
            self._running.stop.set()
        for job in refused:
            if not job.answer.done():
                job.fail(stopping())
        self._arrived.set()
        if self._loading is not None:
            self._loading.cancel()
        if self._worker is not None:
            await self._worker
        self._thread.shutdown(wait=False)

    async def rewrites(self, prompts: Sequence[str], style: str) -> list[Rewrite | BaseException]:
        """For each prompt its rewrite or what kept it from one, in order. Raises Busy, Unavailable, TooLarge for more than may wait."""
        return await self._answers([self._job(style, prompt) for prompt in prompts])

    async def alone(self, work: Work, style: str) -> Any:
        """What `work` gives, on the network by itself. Raises what it raises, Busy, Unavailable."""
        (answer,) = await self._answers([self._job(style, work=work)])
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def stream(self, prompt: str, style: str) -> AsyncGenerator[Progress | Rewrite, None]:
        """The rewrite as it is written, and whole at the end. Raises at once Busy or Unavailable, later what `optimize` raises."""
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[Progress | None] = asyncio.Queue()

        def report(progress: Progress) -> None:
            loop.call_soon_threadsafe(told.put_nowait, progress)

        def work(optimizer: Optimizer, stop: threading.Event) -> Rewrite:
            return optimizer.optimize(prompt, stop, report)

        job = self._job(style, work=work)
        job.answer.add_done_callback(lambda _: told.put_nowait(None))
        self._submit([job])
        return _heard(job, told)

    def _job(self, style: str, prompt: str = "", work: Work | None = None) -> Job:
        return Job(style, prompt, asyncio.get_running_loop().create_future(), work)

    async def _answers(self, jobs: list[Job]) -> list[Any]:
        self._submit(jobs)
        try:
            return await asyncio.gather(*(job.answer for job in jobs), return_exceptions=True)
        finally:
            for job in jobs:
                job.leave()

    def _submit(self, jobs: list[Job]) -> None:
        if self._closed:
            raise stopping()
        if len(jobs) > self._longest:
            raise TooLarge(f"{len(jobs)} prompts came at once; {self._longest} may wait.", "Send fewer at a time.")
        self._queue = deque(job for job in self._queue if not job.gone)
        if self.waiting + len(jobs) > self._longest:
            raise Busy(f"{self.waiting} prompts are waiting already; {self._longest} may.", "Send yours again in a few seconds.")
        self._queue.extend(jobs)
        self._arrived.set()

    async def _load(self, style: str) -> None:
        pause = self._pause
        while not self.loaded:
            job = self._job(style, work=lambda optimizer, stop: optimizer.load(stop))
            with suppress(Busy):  # one of those that wait will load it
                self._submit([job])
                await asyncio.wait({job.answer})
            if not self.loaded:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _serve(self) -> None:
        while not self._closed:
            await self._arrived.wait()
            await asyncio.sleep(self._wait)
            self._running = self._next()
            if self._running is not None:
                await self._compute(self._running)
                self._running = None

    def _next(self) -> Batch | None:
        """The longest waiting job, and those that can share a batch with it; None when nobody waits."""
        waiting = [job for job in self._queue if not job.gone]
        first = waiting[0] if waiting else None
        together = [job for job in waiting if first and not first.work and not job.work and job.style == first.style][:BATCH]
        batch = Batch(together or waiting[:1])
        self._queue = deque(job for job in waiting if job not in batch.jobs)
        if not self._queue:
            self._arrived.clear()
        for job in batch.jobs:
            job.batch = batch
        return batch if batch.jobs else None

    async def _compute(self, batch: Batch) -> None:
        if batch.jobs[0].work is None:
            self._observe(len(batch.jobs))
        run = asyncio.get_running_loop().run_in_executor(self._thread, self._results, batch)
        await asyncio.wait({run})
        error = run.exception()
        self.loaded = self.loaded or batch.proven
        if self.loaded:
            self.problem = None
        elif isinstance(error, PromptoptError) and not isinstance(error, Cancelled):
            self.problem = error
        for number, job in enumerate(batch.jobs):
            result = error or run.result()[number]
            if job.answer.done():
                continue
            if isinstance(result, BaseException):
                job.fail(result)
            else:
                job.answer.set_result(result)

    def _results(self, batch: Batch) -> list[Any]:
        """On the network's thread: what each job gets. Raises what meets them all."""
        optimizer = self._optimizer_for(batch.jobs[0].style)
        work = batch.jobs[0].work
        try:
            if work is not None:
                return [work(optimizer, batch.stop)]
            return list(optimizer.batch([job.prompt for job in batch.jobs], batch.stop))
        finally:
            batch.proven = optimizer.loaded  # prompts that are refused, all of a batch perhaps, ask no network


async def _heard(job: Job, told: "asyncio.Queue[Progress | None]") -> AsyncGenerator[Progress | Rewrite, None]:
    try:
        while (progress := await told.get()) is not None:
            yield progress
        yield await job.answer
    finally:
        job.leave()


def stopping() -> Unavailable:
    """What those hear who come too late."""
    return Unavailable("The server is stopping.", "Send the prompt again once it is back.")
