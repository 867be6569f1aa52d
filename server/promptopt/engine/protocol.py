"""What every engine can do."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

MODEL_FILE = "model.bin"
"The one file of a compiled bundle."


@dataclass(frozen=True)
class Token:
    """One piece that the network wrote, and the natural logarithm of the probability it gave it."""

    id: int
    log_prob: float


@dataclass(frozen=True)
class Decoding:
    """How to choose pieces: the likeliest each time when `temperature` is 0, else drawn at that temperature.

    limit: pieces at most, the end included.  top_k: draw among so many likeliest.  seed: of the draw.
    copied: pieces that can only repeat what was read, as pointers do, in the order of what they point at: one that the source does not
    hold is never chosen.  paired: they come in twos, from here to there; the second follows at once and is not ahead of the first.
    once: pieces that are written one time at most.
    written: only so many pieces, the first of the vocabulary, are ever chosen; 0 for all of them.
    """

    limit: int
    temperature: float = 0.0
    top_k: int = 40
    seed: int = 0
    copied: tuple[int, ...] = ()
    paired: bool = False
    once: tuple[int, ...] = ()
    written: int = 0


class Engine(Protocol):
    """Turns ids of a prompt into ids of a rewrite."""

    @property
    def name(self) -> str:
        """What runs the network, for people: engine, compute type, threads."""
        ...

    def stream(self, source: Sequence[int], decoding: Decoding, stop: threading.Event) -> Iterator[Token]:
        """Tokens as they are written, the end included; stops within one token of `stop` being set."""
        ...

    def batch(self, sources: Sequence[Sequence[int]], decoding: Decoding, stop: threading.Event) -> list[list[Token]]:
        """The tokens for each source, in order; those of a stopped batch are incomplete."""
        ...
