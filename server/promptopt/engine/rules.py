"""Which pieces may come next in a rewrite, so that the network cannot write what the codec would have to refuse."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptopt.engine.protocol import Decoding


class Rules:
    """The pieces that are open to one rewrite, piece by piece.

    withheld: pieces that are never chosen from here on, in order.  only: where it is not empty, the next piece is one of these.
    """

    def __init__(self, decoding: Decoding, source: Sequence[int]) -> None:
        held = set(source)
        self._written = decoding.written or None
        self._pointers = [piece for piece in decoding.copied if piece in held and self._open(piece)] if decoding.paired else []
        self._once = decoding.once
        self.withheld = [piece for piece in sorted(set(decoding.copied) - held) if self._open(piece)]
        self.only: list[int] = []

    def took(self, piece: int) -> bool:
        """Notes that `piece` was written; returns whether it is withheld from here on."""
        opened = not self.only and piece in self._pointers
        self.only = self._pointers[self._pointers.index(piece) :] if opened else []
        if piece not in self._once:
            return False
        self.withheld.append(piece)
        return True

    def _open(self, piece: int) -> bool:
        """Whether rewrites may hold `piece` at all."""
        return self._written is None or piece < self._written

    def apply(self, scores: NDArray[np.float32]) -> None:
        """Sets the scores, shape [vocabulary], of all pieces that may not come next to minus infinity, in place."""
        if self._written:
            scores[self._written :] = -np.inf
        if self.only:
            left = scores[self.only]
            scores[:] = -np.inf
            scores[self.only] = left
        else:
            scores[self.withheld] = -np.inf
