"""How the portable engine chooses a piece; the native engine does the same in C++, number for number."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptopt.engine.protocol import Decoding, Token
from promptopt.engine.rules import Rules

_MASK = 2**64 - 1


class Chooser:
    """Chooses one piece after the other: the likeliest, or drawn."""

    def __init__(self, decoding: Decoding, source: Sequence[int] = ()) -> None:
        self._decoding = decoding
        self._rules = Rules(decoding, source)
        self._state = decoding.seed & _MASK

    def choose(self, logits: NDArray[np.float32]) -> Token:
        """The next piece, with the probability that the network gave it among those that may be chosen, whatever the temperature."""
        logits = logits.copy()
        self._rules.apply(logits)
        index = self._drawn(logits) if self._decoding.temperature else int(logits.argmax())
        highest = logits.max()
        total = np.exp(logits - highest).sum(dtype=np.float64)
        self._rules.took(index)
        return Token(index, float(logits[index] - highest - np.log(total)))

    def _drawn(self, logits: NDArray[np.float32]) -> int:
        likeliest = np.argsort(-logits, kind="stable")[: max(1, self._decoding.top_k)]
        scores = logits[likeliest].astype(np.float64)
        weights = np.cumsum(np.exp((scores - scores[0]) / self._decoding.temperature))
        place = np.searchsorted(weights, self._uniform() * weights[-1], side="right")
        return int(likeliest[min(int(place), len(likeliest) - 1)])

    def _uniform(self) -> float:
        """From 0 to 1, by SplitMix64 (Steele, Lea and Flood, 2014)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return float((mixed ^ (mixed >> 31)) >> 11) / 2**53
