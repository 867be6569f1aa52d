"""Which piece mostly follows which in the rewrites of a style, for an engine to guess by (see `Bundle.drafts`)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from promptopt.bundle import DRAFTS
from promptopt.codec import PAD

ANY = -1
"In place of the piece before the last, where that one does not matter."
OFTEN, LIKELY = 2, 0.6
"What was seen only once may be somebody's own words and is not kept; what is right less often would mostly be read in vain."


def write_drafts(folder: Path, targets: Iterable[Sequence[int]]) -> int:
    """Counts what follows what in `targets`, the pieces of rewrites, writes it into `folder`, and returns how many guesses there are."""
    found = drafts(targets)
    rows = np.array([(before, last, following) for (before, last), following in sorted(found.items())], "<i4")
    (folder / DRAFTS).write_bytes(rows.tobytes())
    return len(found)


def drafts(targets: Iterable[Sequence[int]]) -> dict[tuple[int, int], int]:
    """What follows after two pieces, where that is likely; ANY and a piece for what follows whatever the one before that was.

    After two pieces for which there is no entry comes what the entry with ANY says.
    """
    counts: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
    for target in targets:
        before = last = PAD
        for piece in target:
            counts[before, last][piece] += 1
            counts[ANY, last][piece] += 1
            before, last = last, piece
    likely = {}
    for context, following in counts.items():
        piece, times = following.most_common(1)[0]
        if times >= max(OFTEN, LIKELY * following.total()):
            likely[context] = piece
    return {context: piece for context, piece in likely.items() if context[0] == ANY or likely.get((ANY, context[1])) != piece}
