"""Which pieces may come next in a rewrite, so that the network cannot write what the codec would have to refuse."""

import sys
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
        self._written = decoding.written or sys.maxsize
        copied = [piece for piece in decoding.copied if piece < self._written]
        self._pointers = [piece for piece in copied if piece in held] if decoding.paired else []
        self._once = decoding.once
        self.withheld = sorted(set(copied) - held)
        self.only: list[int] = []

    def took(self, piece: int) -> bool:
        """Notes that `piece` was written; returns whether it is withheld from here on."""
        opened = not self.only and piece in self._pointers
        self.only = self._pointers[self._pointers.index(piece) :] if opened else []
        if piece not in self._once:
            return False
        self.withheld.append(piece)
        return True

    def apply(self, scores: NDArray[np.float32]) -> None:
        """Sets the scores, shape [vocabulary], of all pieces that may not come next to minus infinity, in place."""
        scores[self._written :] = -np.inf
        if self.only:
            left = scores[self.only]
            scores[:] = -np.inf
            scores[self.only] = left
        else:
            scores[self.withheld] = -np.inf
