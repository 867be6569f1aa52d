"""The form that training pairs have in common: the words with which their lines begin."""

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate

from promptopt.form import begins, in_order
from promptopt_training.records import Pair

LONGEST = 8
"Words, marks and spaces of a heading at most."
_PARTS = re.compile(r"\s+|\w+|[^\w\s]")


def shared_headings(pairs: Iterable[Pair]) -> tuple[str, ...]:
    """The longest beginnings of lines that every rewrite has around its prompt, in the order in which all have them.

    Pairs that leave the prompt as it is are not asked; empty where the others have nothing in common, or there are none.
    """
    written = [pair.rewrite.replace(pair.prompt, "", 1).split("\n") for pair in pairs if pair.rewrite != pair.prompt]
    if not written:
        return ()
    shared = set.intersection(*({start for line in lines for start in _starts(line)} for lines in written))
    longest = [start for start in shared if not any(other != start and begins(other, start) for other in shared)]
    found = sorted(longest, key=lambda start: _line_of(start, written[0]))
    for lines in written[1:]:
        found = in_order(lines, found)
    return tuple(found)


def _starts(line: str) -> Iterable[str]:
    """The beginnings of a line, word by word, mark by mark and space by space."""
    return accumulate(match[0] for match in list(_PARTS.finditer(line))[:LONGEST])


def _line_of(start: str, lines: Sequence[str]) -> int:
    return next(number for number, line in enumerate(lines) if begins(line, start))
