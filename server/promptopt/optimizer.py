"""The one way from a prompt to its rewrite: text, codec, engine, codec, text. Every surface goes through here."""

import math
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from promptopt.adapters.access import Access, Fetched
from promptopt.adapters.locate import locate, may_need_hub
from promptopt.adapters.names import is_offline
from promptopt.bundle import Calibration
from promptopt.codec import END
from promptopt.engine.loader import Model, load_model
from promptopt.engine.protocol import Decoding, Token
from promptopt.errors import Cancelled, InvalidInput, RewriteFailed
from promptopt.settings import Settings

LONGEST_PROMPT = 100_000
BATCH = 16
Loader = Callable[[Settings], Model]


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


@dataclass(frozen=True)
class Progress:
    """A rewrite under way: the text so far and how many pieces it took."""

    text: str
    tokens: int


class Optimizer:
    """Rewrites prompts with one adapter. The network is loaded at the first rewrite; one call at a time uses it."""

    def __init__(self, settings: Settings | None = None, loader: Loader = load_model) -> None:
        self.settings = settings or Settings()
        self._loader = loader
        self._lock = threading.Lock()
        self._model: Model | None = None

    def load(self) -> Model:
        """The model, loaded now if it was not. Raises BundleError."""
        with self._lock:
            return self._load()

    def fetch(self, report: Callable[[Fetched], None], stop: threading.Event | None = None) -> None:
        """Downloads what the settings name on the Hub and this machine lacks, so that `report` is told of bytes; else nothing.

        Without it the same happens at the first rewrite, unreported. Raises BundleError, Cancelled once `stop` is set.
        """
        with self._lock:
            if self._model is None and may_need_hub(self.settings.adapter):
                access = Access(offline=is_offline(self.settings.offline), report=report, stop=stop or threading.Event())
                locate(self.settings.adapter, access)

    def optimize(self, prompt: str, stop: threading.Event | None = None, report: Callable[[Progress], None] | None = None) -> Rewrite:
        """The likeliest rewrite of `prompt`.

        `report` is told of each piece. Raises InvalidInput for an empty or over-long prompt, RewriteFailed when what the network
        wrote is not acceptable, Cancelled once `stop` is set.
        """
        return self._rewrite(prompt, 0.0, 0, stop or threading.Event(), report)

    def stream(self, prompt: str, stop: threading.Event | None = None) -> Generator[Progress | Rewrite, None, None]:
        """The rewrite while it is written, one Progress for each piece, and the Rewrite last. Raises what `optimize` raises.

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
            except GeneratorExit:
                stop.set()
                raise
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

        Raises what `optimize` raises; drawn rewrites that fail are left out.
        """
        stop = stop or threading.Event()
        found = [self.optimize(prompt, stop)]
        temperature = self.load().manifest.temperature
        for seed in range(1, 3 * count):
            if len(found) == count:
                break
            try:
                drawn = self._rewrite(prompt, temperature, seed, stop, None)
            except RewriteFailed:
                continue
            if all(drawn.text != other.text for other in found):
                found.append(drawn)
        return sorted(found, key=lambda rewrite: -rewrite.confidence)

    def batch(self, prompts: Sequence[str], stop: threading.Event | None = None) -> Iterator[Rewrite | RewriteFailed | InvalidInput]:
        """For each prompt its rewrite, or the failure that kept it from one, in order; computed some at a time.

        Raises Cancelled once `stop` is set.
        """
        stop = stop or threading.Event()
        for start in range(0, len(prompts), BATCH):
            yield from self._batch(prompts[start : start + BATCH], stop)

    def _rewrite(
        self, prompt: str, temperature: float, seed: int, stop: threading.Event, report: Callable[[Progress], None] | None
    ) -> Rewrite:
        started = time.perf_counter()
        check_prompt(prompt)
        with self._lock:
            model = self._load()
            decoding = _decoding(model, temperature, seed)
            source = model.codec.encode_prompt(prompt, model.manifest.read_limit)
            decoder = model.codec.decoder(prompt)
            tokens: list[Token] = []
            for token in model.engine.stream(source, decoding, stop):
                tokens.append(token)
                if report and token.id != END:
                    decoder.push(token.id)
                    report(Progress(decoder.text, len(tokens)))
        if stop.is_set():
            raise Cancelled("The rewrite was cancelled.")
        return finished(model, prompt, tokens, time.perf_counter() - started)

    def _batch(self, prompts: Sequence[str], stop: threading.Event) -> Iterator[Rewrite | RewriteFailed | InvalidInput]:
        started = time.perf_counter()
        refused = {number: error for number, prompt in enumerate(prompts) if (error := _refusal(prompt))}
        asked = [number for number in range(len(prompts)) if number not in refused]
        with self._lock:
            model = self._load()
            sources = [model.codec.encode_prompt(prompts[number], model.manifest.read_limit) for number in asked]
            decoding = _decoding(model)
            written = model.engine.batch(sources, decoding, stop) if sources else []
        if stop.is_set():
            raise Cancelled("The rewrites were cancelled.")
        seconds = time.perf_counter() - started
        tokens = dict(zip(asked, written, strict=True))
        for number, prompt in enumerate(prompts):
            if number in refused:
                yield refused[number]
                continue
            try:
                yield finished(model, prompt, tokens[number], seconds)
            except RewriteFailed as error:
                yield error

    def _load(self) -> Model:
        if self._model is None:
            self._model = self._loader(self.settings)
        return self._model


def _decoding(model: Model, temperature: float = 0.0, seed: int = 0) -> Decoding:
    """How to choose pieces within the limits of the adapter, and so that its codec can read them."""
    codec = model.codec
    return Decoding(model.manifest.write_limit, temperature, seed=seed, copied=codec.pointers, paired=codec.paired, once=codec.once)


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


def finished(model: Model, prompt: str, tokens: Sequence[Token], seconds: float) -> Rewrite:
    """The rewrite that `tokens` stand for. Raises RewriteFailed when they stand for none."""
    if not tokens or tokens[-1].id != END:
        raise RewriteFailed(
            f"The network did not come to an end within {model.manifest.write_limit} pieces.", "Shorten the prompt or say it differently."
        )
    text = model.codec.decode(prompt, [token.id for token in tokens])
    mean = sum(token.log_prob for token in tokens) / len(tokens)
    return Rewrite(text, confidence(mean, model.manifest.calibration), len(tokens), seconds)


def confidence(mean_log_prob: float, calibration: Calibration | None) -> float:
    """The mean probability of a piece (geometric mean), calibrated where a calibration is known."""
    if calibration is None:
        return min(1.0, math.exp(mean_log_prob))
    return (1 + math.tanh((calibration.slope * mean_log_prob + calibration.intercept) / 2)) / 2
