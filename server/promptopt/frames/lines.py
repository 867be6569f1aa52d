"""Text whose lines each begin with something that is not part of it: indentation, a comment leader, a quotation mark."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LINE_END = re.compile(r"\r\n|\n|\r")
NEWLINES = re.compile(r"\r\n?")


@dataclass(frozen=True)
class Reading:
    """What a selection means and how another text is written in its place.

    head, tail: what of the selection stays around the rewrite.
    place: what surrounds it, as (name, offset of its start, distance of its end from the end of the document); a rewrite must not move it.
    exact: the text in the document stands for `prompt` and nothing else, so that a rewrite can be held against what is read back.
    fields: what of the prompt stands for a value (`{x}` of an f-string) and goes back as it is.
    """

    prompt: str
    write: Callable[[str], str]
    place: tuple[str, int, int] = ("text", 0, 0)
    head: str = ""
    tail: str = ""
    exact: bool = False
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Line:
    """A line: `document[start:end]` without its end, its text beginning at `text`."""

    start: int
    text: int
    end: int

    @property
    def blank(self) -> bool:
        """Whether nothing but its leader stands on the line."""
        return self.text >= self.end


def line_end(document: str) -> str:
    """The line end that the document uses: that of its first line."""
    found = LINE_END.search(document)
    return found.group() if found else "\n"


def line_start(document: str, offset: int) -> int:
    """Where the line of `offset` begins."""
    begin = document.rfind("\n", 0, offset) + 1
    return max(begin, document.rfind("\r", begin, offset) + 1)


def line_bounds(document: str, start: int, end: int) -> list[tuple[int, int]]:
    """Start and end, without line end, of every line that `document[start:end]` touches."""
    begin = line_start(document, start)
    bounds = []
    for found in LINE_END.finditer(document, begin):
        bounds.append((begin, found.start()))
        begin = found.end()
        if begin > end:
            return bounds
    return [*bounds, (begin, len(document))]


def leading_space(text: str) -> str:
    """The blanks and tabs that `text` begins with."""
    return text[: len(text) - len(text.lstrip(" \t"))]


def blanked(text: str) -> str:
    """As many blanks as `text` has characters; its tabs stay."""
    return "".join(character if character == "\t" else " " for character in text)


def common(prefixes: Sequence[str]) -> str:
    """The longest prefix of all; empty when there are none."""
    shortest, longest = min(prefixes, default=""), max(prefixes, default="")  # in order of the alphabet: all others lie between them
    alike = (number for number, (one, other) in enumerate(zip(shortest, longest, strict=False)) if one != other)
    return shortest[: next(alike, min(len(shortest), len(longest)))]


def read_lines(document: str, lines: Sequence[Line], prefix: str, start: int, end: int, place: tuple[str, int, int]) -> Reading:
    """The text of `lines` between `start` and `end`; a rewrite gets `prefix` ahead of each further line.

    What of the selection is no text (a leader that was selected too) is kept around the rewrite.
    """
    worded = [line for line in lines if not line.blank and line.end > start and line.text < end]
    if not worded:
        return Reading("", lambda rewrite: rewrite, place)
    first, last = max(start, worded[0].text), min(end, worded[-1].end)
    texts = [document[max(first, line.text) : min(last, line.end)] for line in lines if worded[0].start <= line.start <= worded[-1].start]
    newline = line_end(document)

    def write(rewrite: str) -> str:
        head, *rest = NEWLINES.sub("\n", rewrite).split("\n")
        written = [head, *(prefix + line if line else prefix.rstrip() for line in rest)]
        return newline.join(written)

    return Reading("\n".join(texts), write, place, document[start:first], document[last:end])


def read_text(document: str, start: int, end: int) -> Reading:
    """Plain text: the indentation of its first line is not part of it, if all its lines share it."""
    bounds = line_bounds(document, start, end)
    indentation = leading_space(document[bounds[0][0] : start])
    further = [bound for bound in bounds[1:] if document[bound[0] : bound[1]].strip()]
    if not all(document.startswith(indentation, begin) for begin, _ in further):
        indentation = ""
    lines = [Line(begin, min(begin + len(indentation), stop), stop) for begin, stop in bounds]
    return read_lines(document, lines, indentation, start, end, ("text", 0, 0))
