"""What of a document is to be rewritten, and where it stands when the rewrite is there."""

import re
from dataclasses import dataclass

from promptopt.frames import widened
from promptopt.frames.lines import line_bounds

_WITHIN_A_WORD = re.compile(r"\w\w")
_BLANK_LINE = re.compile(r"(?:\r\n|\n|\r(?!\n))[ \t]*(?:\r\n|\n|\r)")


@dataclass(frozen=True)
class Source:
    """A document: its text, and what the client says of its language and its name."""

    text: str
    language: str = ""
    name: str = ""


@dataclass(frozen=True)
class Selection:
    """The selected text at offset `start` of a document."""

    start: int
    text: str

    @property
    def end(self) -> int:
        """The offset behind the text."""
        return self.start + len(self.text)


def select(source: Source, start: int, end: int) -> Selection | None:
    """The text in `source.text[start:end]` without the white space around it; None where nothing is selected.

    A selection of a single character is widened: Helix always selects at least the character under the cursor.
    """
    start, end = min(start, end), max(start, end)
    if start == end:
        return None
    if end - start == 1 or source.text[start:end] == "\r\n":
        return select_around(source, start)
    return _stripped(source.text, start, end)


def select_around(source: Source, offset: int) -> Selection | None:
    """The string, the comment or else the paragraph at `offset`; None on a line of white space alone."""
    return _stripped(source.text, *(widened(source.text, source.language, source.name, offset) or _paragraph(source.text, offset)))


def movable(document: str, selection: Selection) -> bool:
    """Whether the text stands in `document` once, as whole words: it can be told from any other when it has moved."""
    return _only_place(document, selection.text) == selection.start


def anchored(document: str, selection: Selection, unchanged: bool, movable: bool) -> Selection | None:
    """Where the selected text stands in `document` now: at its old place if that is `unchanged`, else, if `movable`, at the only one.

    None where it stands nowhere, in several places or within a word, and where it could be another that reads the same.
    """
    if unchanged and document.startswith(selection.text, selection.start):
        return selection
    place = _only_place(document, selection.text) if movable else None
    return None if place is None else Selection(place, selection.text)


def _only_place(document: str, text: str) -> int | None:
    """The offset of the only place where `text` stands; None for several, and where it is part of a longer word."""
    first = document.find(text)
    if first < 0 or document.find(text, first + 1) >= 0:
        return None
    end = first + len(text)
    cut = any(_WITHIN_A_WORD.fullmatch(document[max(edge - 1, 0) : edge + 1]) for edge in (first, end))
    return None if cut else first


def _stripped(document: str, start: int, end: int) -> Selection | None:
    text = document[start:end]
    start += len(text) - len(text.lstrip())
    return Selection(start, text.strip()) if text.strip() else None


def _paragraph(document: str, offset: int) -> tuple[int, int]:
    """Start and end of the paragraph around `offset`: up to the blank lines before and behind it. On a blank line, those of this line."""
    line = line_bounds(document, offset, offset)[0]
    if not document[slice(*line)].strip():
        return line
    start = 0
    for blank in _BLANK_LINE.finditer(document):
        if blank.start() >= offset:
            return start, blank.start()
        start = blank.end()
    return start, len(document)
