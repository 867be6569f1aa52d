"""The one way from a prompt to its rewrite: text, codec, engine, codec, text. Every surface goes through here."""

import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from promptopt.adapters.access import Access, Fetched
from promptopt.adapters.locate import locate, may_need_hub
from promptopt.adapters.names import is_offline
from promptopt.engine.loader import load_rewriter
from promptopt.engine.rewriter import Progress, Report, Rewriter, Written
from promptopt.errors import Cancelled, InvalidInput, RewriteFailed, Unavailable
from promptopt.settings import Settings

__all__ = ["BATCH", "LONGEST_PROMPT", "MOST_VARIANTS", "Optimizer", "Progress", "Rewrite", "check_prompt"]

LONGEST_PROMPT = 100_000
MOST_VARIANTS = 20
BATCH = 16
TICK = 0.05
"Seconds between two looks at `stop` while another call has the network."
Loader = Callable[[Settings], Rewriter]


@dataclass(frozen=True)
class Rewrite:
    """A structured prompt.

    confidence: from 0 to 1, from the probabilities the network gave its own pieces, calibrated where the adapter says how.
    tokens: pieces written.  seconds: from the request to the last piece.
    """

    text: str
    confidence: float
    tokens: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The rewrite as every surface gives it to programs; the text is called "optimized_prompt"."""
        return {"optimized_prompt": self.text, "confidence": self.confidence, "tokens": self.tokens, "seconds": self.seconds}


class Optimizer:
    """Rewrites prompts with one adapter. The network is loaded at the first rewrite; one call at a time uses it."""

    def __init__(self, settings: Settings | None = None, loader: Loader = load_rewriter) -> None:
        self.settings = settings or Settings()
        self._loader = loader
        self._lock = threading.Lock()
        self._rewriter: Rewriter | None = None
        self._fetched = False

    @property
    def loaded(self) -> bool:
        """Whether what rewrites is in memory."""
        return self._rewriter is not None

    def load(self, stop: threading.Event | None = None) -> Rewriter:
        """What rewrites, loaded now if it was not.

        Raises BundleError; InvalidInput for a server that cannot be asked, Unavailable for want of memory, Cancelled once `stop` is
        set while it waits or downloads.
        """
        with self._alone(stop or threading.Event()) as rewriter:
            return rewriter

    def fetch(self, report: Callable[[Fetched], None], stop: threading.Event | None = None) -> None:
        """Downloads what the settings name on the Hub and this machine lacks, so that `report` is told of bytes; else nothing.

        Without it the same happens at the first rewrite, unreported. Raises BundleError, Cancelled once `stop` is set.
        """
        stop = stop or threading.Event()
        with self._held(stop):
            self._fetch(report, stop)

    def optimize(self, prompt: str, stop: threading.Event | None = None, report: Report | None = None) -> Rewrite:
        """The likeliest rewrite of `prompt`, or a drawn one where that is out of its adapter's form or in doubt.

        `report` is told of each piece. Raises InvalidInput for an empty or over-long prompt, RewriteFailed when what the network
        wrote is not acceptable, Cancelled once `stop` is set, Unavailable where memory runs out; that and the like from a server.
        """
        started = time.perf_counter()
        check_prompt(prompt)
        stop = stop or threading.Event()
        with self._alone(stop) as rewriter:
            written = rewriter.rewrite(prompt, stop, report)
        return _timed(written, time.perf_counter() - started)

    def stream(self, prompt: str, stop: threading.Event | None = None) -> Generator[Progress | Rewrite, None, None]:
        """The likeliest rewrite while it is written, one Progress for each piece, and last what `optimize` gives. Raises what that raises.

        The network runs on a thread of its own and does not wait for the reader; it stops when the iterator is closed.
        """
        stop = stop or threading.Event()
        told: queue.SimpleQueue[Progress | None] = queue.SimpleQueue()
        with ThreadPoolExecutor(1, thread_name_prefix="promptopt-stream") as pool:
            run = pool.submit(self.optimize, prompt, stop, told.put)
            run.add_done_callback(lambda _: told.put(None))
            try:
                while (progress := told.get()) is not None:
                    yield progress
            finally:
                if not run.done():  # closed, or interrupted while waiting for the next piece
                    stop.set()
        yield run.result()

    async def aoptimize(self, prompt: str) -> Rewrite:
        """`optimize` for an event loop, which goes on meanwhile; the network stops when the awaiting task is cancelled."""
        import asyncio

        stop = threading.Event()
        try:
            return await asyncio.to_thread(self.optimize, prompt, stop)
        finally:
            stop.set()

    async def astream(self, prompt: str) -> AsyncGenerator[Progress | Rewrite, None]:
        """`stream` for an event loop; the network stops when the iterator is closed or its task cancelled."""
        import asyncio

        loop, stop = asyncio.get_running_loop(), threading.Event()
        told: asyncio.Queue[Progress | None] = asyncio.Queue()

        def report(progress: Progress | None) -> None:
            loop.call_soon_threadsafe(told.put_nowait, progress)

        run = loop.run_in_executor(None, self.optimize, prompt, stop, report)
        run.add_done_callback(lambda _: told.put_nowait(None))
        try:
            while (progress := await told.get()) is not None:
                yield progress
            yield await run
        finally:
            stop.set()
            run.cancel()  # nobody asks any more how it ended

    def variants(self, prompt: str, count: int, stop: threading.Event | None = None) -> list[Rewrite]:
        """Up to `count` different rewrites, the network's surest first: the likeliest one and others drawn at the adapter's temperature.

        The seconds of each are those of all. Raises what `optimize` raises, InvalidInput for a count that is not from 1 to 20; drawn
        rewrites that fail are left out.
        """
        started = time.perf_counter()
        if not 1 <= count <= MOST_VARIANTS:
            raise InvalidInput(f"{count} variants cannot be had.", f"Ask for 1 to {MOST_VARIANTS}.")
        check_prompt(prompt)
        stop = stop or threading.Event()
        with self._alone(stop) as rewriter:
            found = rewriter.variants(prompt, count, stop)
        seconds = time.perf_counter() - started
        return [_timed(written, seconds) for written in found]

    def batch(self, prompts: Sequence[str], stop: threading.Event | None = None) -> Iterator[Rewrite | RewriteFailed | InvalidInput]:
        """For each prompt its rewrite, or the failure that kept it from one, in order; computed some at a time.

        Raises Cancelled once `stop` is set.
        """
        stop = stop or threading.Event()
        for start in range(0, len(prompts), BATCH):
            yield from self._batch(prompts[start : start + BATCH], stop)

    def _batch(self, prompts: Sequence[str], stop: threading.Event) -> Iterator[Rewrite | RewriteFailed | InvalidInput]:
        started = time.perf_counter()
        refused = [_refusal(prompt) for prompt in prompts]
        asked = [prompt for prompt, error in zip(prompts, refused, strict=True) if error is None]
        written = iter(self._written(asked, stop) if asked else [])
        seconds = time.perf_counter() - started
        for error in refused:
            found = error or next(written)
            yield _timed(found, seconds) if isinstance(found, Written) else found

    def _written(self, prompts: Sequence[str], stop: threading.Event) -> list[Written | RewriteFailed | InvalidInput]:
        with self._alone(stop) as rewriter:
            return rewriter.batch(prompts, stop)

    def _fetch(self, report: Callable[[Fetched], None], stop: threading.Event) -> None:
        """See `fetch`; for the holder of the lock."""
        if self._rewriter is None and not self._fetched and not self.settings.is_remote and may_need_hub(self.settings.adapter):
            locate(self.settings.adapter, Access(offline=is_offline(self.settings.offline), report=report, stop=stop))
            self._fetched = True

    @contextmanager
    def _held(self, stop: threading.Event) -> Iterator[None]:
        """The lock. Raises Cancelled once `stop` is set while another call has it."""
        while not self._lock.acquire(timeout=TICK):
            if stop.is_set():
                raise Cancelled("The rewrite was cancelled.")
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def _alone(self, stop: threading.Event) -> Iterator[Rewriter]:
        """What rewrites, loaded if it was not, for one caller at a time."""
        with self._held(stop):
            try:
                if self._rewriter is None:
                    self._fetch(lambda _: None, stop)  # loading fetches too, but nothing could stop that
                    self._rewriter = self._loader(self.settings)
                yield self._rewriter
            except MemoryError as error:
                raise Unavailable(
                    "There is not enough memory for this rewrite.", "Close other programs, raise the limit, or use a smaller model."
                ) from error


def _timed(written: Written, seconds: float) -> Rewrite:
    return Rewrite(written.text, written.confidence, written.tokens, seconds)


def check_prompt(prompt: str) -> None:
    """Raises InvalidInput for a prompt that cannot be worked on."""
    if not prompt.strip():
        what = "consists of white space only" if prompt else "is empty"
        raise InvalidInput(f"The prompt {what}.", "Write or select what you want to ask, then try again.")
    if len(prompt) > LONGEST_PROMPT:
        raise InvalidInput(
            f"The prompt has {len(prompt):,} characters; {LONGEST_PROMPT:,} are allowed.",
            "Select the request itself, without the material it is about.",
        )


def _refusal(prompt: str) -> InvalidInput | None:
    try:
        check_prompt(prompt)
    except InvalidInput as error:
        return error
    return None
