"""Phrases of a prompt in a rewrite of it: where they stand, and how they are set into the text around them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.units import Unit

_JOINING = frozenset(",.;:!?)]}”’%")


def needs_space(ahead: str) -> bool:
    """Whether a pointer after the text `ahead` is set off by a space unless glued: it is after words and closing punctuation."""
    return bool(ahead) and (ahead[-1].isalnum() or ahead[-1] in _JOINING)


def capitalised(phrase: str) -> str:
    """`phrase` with its first character in upper case."""
    return phrase[:1].upper() + phrase[1:]


def prompt_place(prompt: str, rewrite: str) -> int:
    """Where in `rewrite` the prompt stands: alone up to the end of a line if possible, else first.

    Raises ValueError when it stands nowhere.
    """
    places = [match.start() for match in re.finditer(f"(?={re.escape(prompt)})", rewrite)] if prompt else []
    if not places:
        raise ValueError("the rewrite does not hold the prompt word for word")

    def whole_line(place: int) -> bool:
        ahead, rest = rewrite[:place].rsplit("\n", 1)[-1], rewrite[place + len(prompt) :]
        return rest[:1] in ("", "\n") and (not ahead.strip() or ahead.rstrip().endswith(":"))

    return next((place for place in places if whole_line(place)), places[0])


@dataclass(frozen=True)
class Phrase:
    """A stretch `rewrite[start:end]` that is the prompt's, from its unit `first` to its unit `last`; `capital` when capitalised."""

    start: int
    end: int
    first: int
    last: int
    capital: bool


class PhraseFinder:
    """Finds phrases of one prompt in a rewrite of it."""

    def __init__(self, prompt: str, units: Sequence[Unit], ranges: bool) -> None:
        """Phrases are made of `units`: of one each, or of several in a row where there are `ranges`."""
        self._prompt = prompt
        self._units = units
        self._ranges = ranges
        self._starts: dict[str, list[int]] = {}
        for number, unit in enumerate(units):
            self._starts.setdefault(prompt[unit.start].lower(), []).append(number)

    def longest(self, rewrite: str, position: int, stop: int) -> Phrase | None:
        """The longest phrase of the prompt that stands at `rewrite[position:]` and ends before `stop`; None where none does."""
        if position and rewrite[position - 1].isalnum() and rewrite[position].isalnum():
            return None
        candidates = [self._from(rewrite, position, stop, first) for first in self._starts.get(rewrite[position].lower(), ())]
        return max((found for found in candidates if found), key=lambda found: found.end, default=None)

    def _from(self, rewrite: str, position: int, stop: int, first: int) -> Phrase | None:
        """The longest match that begins with unit `first`."""
        found = None
        for last in range(first, len(self._units) if self._ranges else first + 1):
            phrase = self._prompt[self._units[first].start : self._units[last].end]
            end = position + len(phrase)
            if end > stop:
                break
            as_is = rewrite.startswith(phrase, position)
            if not as_is and not rewrite.startswith(capitalised(phrase), position):
                break
            if end < len(rewrite) and rewrite[end].isalnum() and phrase[-1].isalnum():
                continue
            found = Phrase(position, end, first, last, not as_is)
        return found
