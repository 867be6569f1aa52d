"""Whether a rewrite has the form of its adapter. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

FEW = 3
"Words of a line that says something; shorter ones, as fences and rules are, may stand twice."
MARK = re.compile(r"\s*(?:[-*•]|\d+[.)])\s+")
"The bullet or number of a line."


def in_form(prompt: str, rewrite: str, headings: Sequence[str]) -> bool:
    """Whether the lines around the prompt begin with each heading, in order, and none of them stands twice.

    A prompt that came back as it was is in form, and so is everything of an adapter without headings.
    """
    if not headings or rewrite == prompt:
        return True
    return any(in_order(lines, headings) == list(headings) and not _repeat(lines) for lines in _around(prompt, rewrite))


def in_order(lines: Sequence[str], headings: Sequence[str]) -> list[str]:
    """Those of the headings with which lines begin, each behind the line of the one before."""
    found, place = [], 0
    for heading in headings:
        line = next((number for number in range(place, len(lines)) if begins(lines[number], heading)), None)
        if line is not None:
            found.append(heading)
            place = line + 1
    return found


def begins(line: str, heading: str) -> bool:
    """Whether a line begins with a heading that ends where a word ends."""
    return line.startswith(heading) and not (heading[-1:].isalnum() and line[len(heading) : len(heading) + 1].isalnum())


def _around(prompt: str, rewrite: str) -> Iterator[list[str]]:
    """The lines of the rewrite without the prompt, for each place where that stands; all of them where it does not."""
    places = [(place.start(), place.end()) for place in re.finditer(re.escape(prompt), rewrite)]
    for start, end in places or [(0, 0)]:
        yield (rewrite[:start] + rewrite[end:]).split("\n")


def _repeat(lines: Sequence[str]) -> bool:
    bare = (MARK.sub("", line, count=1).casefold().split() for line in lines)
    return any(times > 1 for times in Counter(tuple(words) for words in bare if len(words) >= FEW).values())
