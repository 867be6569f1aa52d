"""The CPU engine: CTranslate2 on a compiled bundle. Nothing here imports torch."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ctranslate2

from promptopt.codec import END
from promptopt.engine.protocol import Decoding, Token
from promptopt.errors import BundleError
from promptopt.vocabulary import Vocabulary

_SMALL = 60_000_000


class CompiledEngine:
    """Runs a compiled bundle. One call at a time; the optimizer sees to that."""

    def __init__(self, folder: Path, vocabulary: Vocabulary, threads: int = 0) -> None:
        """`threads` 0 takes one for a small network, where the barrier costs more than the work, and the default for a large one."""
        if threads == 0 and (folder / "model.bin").stat().st_size < _SMALL:
            threads = 1
        self._folder = folder
        self._vocabulary = vocabulary
        self._threads = threads
        self._translator = self._opened()

    @property
    def name(self) -> str:
        """Engine, compute type and threads."""
        return f"CTranslate2 {ctranslate2.__version__}, {self._translator.compute_type}, threads {self._threads or 'default'}"

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        """See `Engine.stream`."""
        steps = self._seeded(decoding).generate_tokens(self._pieces(source), return_log_prob=True, **_options(decoding))
        try:
            for step in steps:
                if stop.is_set():
                    return
                yield Token(step.token_id, step.log_prob)
                if step.token_id == END:
                    return
        finally:
            steps.close()

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        """See `Engine.batch`."""
        collected: list[list[Token]] = [[] for _ in sources]

        def collect(step: ctranslate2.GenerationStepResult) -> bool:
            collected[step.batch_id].append(Token(step.token_id, step.log_prob))
            return stop.is_set()

        pieces = [self._pieces(source) for source in sources]
        self._seeded(decoding).translate_batch(pieces, beam_size=1, return_scores=True, callback=collect, **_options(decoding))
        return collected

    def _opened(self) -> ctranslate2.Translator:
        try:
            return ctranslate2.Translator(str(self._folder), device="cpu", inter_threads=1, intra_threads=self._threads)
        except (RuntimeError, ValueError) as error:
            raise BundleError(
                f"The compiled model in {self._folder} cannot be loaded ({error}).",
                "Delete that folder; it is made again at the next start.",
            ) from error

    def _seeded(self, decoding: Decoding) -> ctranslate2.Translator:
        """The translator; opened anew for a draw, because its worker takes a seed at its first draw only."""
        if decoding.temperature:
            ctranslate2.set_random_seed(decoding.seed)
            self._translator = self._opened()
        return self._translator

    def _pieces(self, source: Sequence[int]) -> list[str]:
        return [self._vocabulary.piece(index) for index in source]


def _options(decoding: Decoding) -> dict[str, Any]:
    """The end may be the first piece, and what is read was cut to its limit before: both as in the reference."""
    return {
        "max_decoding_length": decoding.limit,
        "min_decoding_length": 0,
        "max_input_length": 0,
        "sampling_topk": decoding.top_k if decoding.temperature else 1,
        "sampling_temperature": decoding.temperature or 1.0,
    }
