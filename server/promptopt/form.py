"""Whether a rewrite has the form of its adapter. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

FEW = 3
"Words of a line that says something; shorter ones, as fences and rules are, may stand twice."
_MARK = re.compile(r"\s*(?:[-*•]|\d+[.)])\s+")


def in_form(prompt: str, rewrite: str, headings: Sequence[str]) -> bool:
    """Whether the lines around the prompt begin with each heading, in order, and none of them stands twice.

    A prompt that came back as it was is in form, and so is everything of an adapter without headings.
    """
    if not headings or rewrite == prompt:
        return True
    return any(follows(lines, headings) and not _repeat(lines) for lines in _around(prompt, rewrite))


def follows(lines: Sequence[str], headings: Sequence[str]) -> bool:
    """Whether there is a line that begins with the first heading, after it one that begins with the second, and so on."""
    left = iter(lines)
    return all(any(begins(line, heading) for line in left) for heading in headings)


def begins(line: str, heading: str) -> bool:
    """Whether a line begins with a heading that ends where a word ends."""
    return line.startswith(heading) and not (heading[-1:].isalnum() and line[len(heading) : len(heading) + 1].isalnum())


def _around(prompt: str, rewrite: str) -> Iterator[list[str]]:
    """The lines of the rewrite without the prompt, for each place where that stands; all of them where it does not."""
    places = [(place.start(), place.end()) for place in re.finditer(re.escape(prompt), rewrite)]
    for start, end in places or [(0, 0)]:
        yield (rewrite[:start] + rewrite[end:]).split("\n")


def _repeat(lines: Sequence[str]) -> bool:
    bare = (_MARK.sub("", line, count=1).casefold().split() for line in lines)
    return any(times > 1 for times in Counter(tuple(words) for words in bare if len(words) >= FEW).values())
