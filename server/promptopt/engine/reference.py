"""The reference engine: transformers and peft on torch, for GPUs and for adapters of any kind, unmerged."""

import queue
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import peft
import torch
import transformers
from safetensors import SafetensorError
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from promptopt.bundle import Bundle
from promptopt.codec import END, PAD
from promptopt.engine.protocol import Decoding, Token
from promptopt.engine.rules import Rules
from promptopt.errors import BundleError


class ReferenceEngine:
    """Runs a bundle as it is. One call at a time; the optimizer sees to that."""

    def __init__(self, bundle: Bundle, threads: int = 0) -> None:
        """On a CUDA card in bfloat16 where there is one, else on the processor in float32; `threads` 0 leaves their number to torch."""
        if threads:
            torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = _loaded(bundle, self._device)

    @property
    def name(self) -> str:
        """Engine, device, number format and threads."""
        where = "CUDA, bfloat16" if self._device.type == "cuda" else f"CPU, float32, threads {torch.get_num_threads()}"
        return f"PyTorch {torch.__version__}, {where}"

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        """See `Engine.stream`. The network runs in a thread of its own, which ends with the stream."""
        written: queue.Queue[Token | None] = queue.Queue()
        halt = threading.Event()
        chooser = _Chooser(decoding, [source], lambda row, token: written.put(token))
        with ThreadPoolExecutor(1, thread_name_prefix="promptopt-reference") as pool:
            run = pool.submit(self._generate, [source], decoding, chooser, (stop, halt))
            run.add_done_callback(lambda _: written.put(None))
            try:
                while (token := written.get()) is not None and not stop.is_set():
                    yield token
            finally:
                halt.set()
            run.result()

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        """See `Engine.batch`."""
        collected: list[list[Token]] = [[] for _ in sources]
        chooser = _Chooser(decoding, sources, lambda row, token: collected[row].append(token))
        self._generate(sources, decoding, chooser, (stop,))
        return collected

    def _generate(
        self, sources: Sequence[Sequence[int]], decoding: Decoding, chooser: "_Chooser", stops: Sequence[threading.Event]
    ) -> None:
        if any(stop.is_set() for stop in stops):
            return
        longest = max(len(source) for source in sources)
        rows = torch.tensor([[*source, *[PAD] * (longest - len(source))] for source in sources], device=self._device)
        lengths = torch.tensor([len(source) for source in sources], device=self._device)
        self._model.generate(
            input_ids=rows,
            attention_mask=(torch.arange(longest, device=self._device) < lengths[:, None]).long(),
            generation_config=_plain_search(max_new_tokens=decoding.limit),
            logits_processor=LogitsProcessorList([chooser]),
            stopping_criteria=StoppingCriteriaList([_Stopped(stops)]),
        )


class _Chooser(LogitsProcessor):
    """Chooses each piece, tells of it with the probability that the network gave it, and leaves the library no other choice."""

    def __init__(self, decoding: Decoding, sources: Sequence[Sequence[int]], tell: Callable[[int, Token], None]) -> None:
        self._decoding = decoding
        self._rules = [Rules(decoding, source) for source in sources]
        self._tell = tell
        self._random = torch.Generator().manual_seed(decoding.seed)
        self._running = [True] * len(sources)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scores, shape [rows, vocabulary], in which only the chosen piece of each row is possible."""
        possible = scores.float().cpu()
        for row, rules in enumerate(self._rules):
            rules.apply(possible[row].numpy())
        log_probs = possible.log_softmax(-1)
        chosen = self._chosen(log_probs)
        for row, index in enumerate(chosen.tolist()):
            if self._running[row]:
                self._tell(row, Token(index, float(log_probs[row, index])))
                self._rules[row].took(index)
                self._running[row] = index != END
        only = torch.full_like(scores, float("-inf"))
        only.scatter_(1, chosen.to(scores.device)[:, None], 0.0)
        return only  # type: ignore[return-value]

    def __deepcopy__(self, memo: Any) -> "_Chooser":
        """Itself: peft copies what it hands on to prompt tuning, and tokens told to a copy would be lost."""
        return self

    def _chosen(self, log_probs: torch.Tensor) -> torch.Tensor:
        if not self._decoding.temperature:
            return log_probs.argmax(-1)
        best = log_probs.topk(min(self._decoding.top_k, log_probs.shape[-1]))
        drawn = torch.multinomial((best.values / self._decoding.temperature).softmax(-1), 1, generator=self._random)
        return best.indices.gather(1, drawn)[:, 0]


class _Stopped(StoppingCriteria):
    """Ends all rows once one of the events is set."""

    def __init__(self, stops: Sequence[threading.Event]) -> None:
        self._stops = stops

    def __deepcopy__(self, memo: Any) -> "_Stopped":
        """Itself, for the same reason."""
        return self

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **given: Any) -> torch.BoolTensor:
        """One truth value for each row."""
        stopped = any(stop.is_set() for stop in self._stops)
        return torch.full((input_ids.shape[0],), stopped, device=input_ids.device)  # type: ignore[return-value]


def _plain_search(**limits: int) -> GenerationConfig:
    """One row, one piece after the other, without any habit of the base's own."""
    config: GenerationConfig = GenerationConfig(  # type: ignore[no-untyped-call]
        pad_token_id=PAD, eos_token_id=END, decoder_start_token_id=PAD, do_sample=False, num_beams=1, **limits
    )
    return config


def _loaded(bundle: Bundle, device: torch.device) -> Any:
    """The base with the adapter on it. Raises BundleError when they cannot be read or do not fit."""
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    try:
        base: Any = transformers.T5ForConditionalGeneration.from_pretrained(
            bundle.base, dtype=dtype, local_files_only=True, use_safetensors=True
        )
        base.generation_config = _plain_search()
        base.config.num_layers = max(base.config.num_layers, base.config.num_decoder_layers)  # generate sizes its cache by num_layers
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft's calls of transformers
            warnings.filterwarnings("error", message="Found missing adapter keys")
            model = peft.PeftModel.from_pretrained(base, str(bundle.adapter), local_files_only=True)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError, UserWarning) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BundleError(
            f"The adapter {bundle.name!r} cannot be put on its base {bundle.base}: {reason}", "Check which base the adapter was trained on."
        ) from error
    return model.to(device).eval()
