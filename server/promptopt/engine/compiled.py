"""The CPU engine: a compiled model on our own kernels. Nothing here imports torch."""

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import astuple

from promptopt.codec import END
from promptopt.engine import _native
from promptopt.engine.modelfile import ACTIVATIONS, ModelFile, damaged
from promptopt.engine.protocol import Decoding, Token
from promptopt.engine.rules import Rules

_SMALL = 60_000_000


class CompiledEngine:
    """Runs a compiled model. Several calls at a time take turns, piece by piece."""

    def __init__(self, model: ModelFile, threads: int = 0, kernels: str = "", drafts: bytes = b"") -> None:
        """`threads` 0 takes up to two for a small network and up to four for a large one; `kernels` "" the best ones.

        `drafts`, as `Bundle.drafts` returns them, make it faster and change nothing that is written.

        What is too little to be worth waking a thread is done by one: in a small network most of it, unless it is many positions at once.

        Raises DamagedModel when the model does not fit its own shape.
        """
        self._threads = threads or default_threads(len(model.memory))
        shape = model.shape
        numbers = (
            *(shape.d_model, shape.d_kv, shape.heads, shape.d_ff, shape.encoder_layers, shape.decoder_layers),
            *(shape.vocabulary, shape.distance, ACTIVATIONS.index(shape.activation), shape.gated, shape.epsilon, shape.start),
        )
        tensors = {name: astuple(tensor) for name, tensor in model.tensors.items()}
        try:
            self._network = _native.Network(model.memory, numbers, tensors, self._threads, kernels, drafts)
        except ValueError as error:
            raise damaged(model.path, str(error)) from error
        self._quantization = model.quantization

    @property
    def name(self) -> str:
        """Engine, how the weights are kept, kernels and threads."""
        return f"promptopt native, {self._quantization}, {self._network.kernels}, threads {self._threads}"

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        """See `Engine.stream`."""
        for _, token in self._steps([source], decoding, stop):
            yield token

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        """See `Engine.batch`; all sources are written together, a weight read once for all of them."""
        collected: list[list[Token]] = [[] for _ in sources]
        for row, token in self._steps(sources, decoding, stop):
            collected[row].append(token)
        return collected

    def _steps(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> Iterator[tuple[int, Token]]:
        if stop.is_set():
            return
        options = (decoding.limit, decoding.temperature, decoding.top_k, decoding.seed, END, decoding.written)
        rules = [Rules(decoding, source) for source in sources]
        ruled = [*decoding.copied, *decoding.once]
        session = self._network.start([list(source) for source in sources], [rule.withheld for rule in rules], ruled, *options)
        while not stop.is_set() and (step := session.step({row: rule.only for row, rule in enumerate(rules) if rule.only})):
            for row, index, log_prob in step:
                if stop.is_set():
                    return
                if rules[row].took(index):
                    session.withhold(row, index)
                yield row, Token(index, log_prob)


def default_threads(size: int) -> int:
    """Threads for a model of `size` bytes: weights are read from memory, which a few threads do as fast as many.

    A small one has little beside its head that is worth sharing.
    """
    return min(2 if size < _SMALL else 4, os.cpu_count() or 1)
