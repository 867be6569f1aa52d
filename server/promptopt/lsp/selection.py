"""What of a document is to be rewritten, and where it stands when the rewrite is there."""

import re
from dataclasses import dataclass

from promptopt.frames import widened

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
    """The string, the comment or else the paragraph at `offset`; None where only white space is."""
    return _stripped(source.text, *(widened(source.text, source.language, source.name, offset) or _paragraph(source.text, offset)))


def anchored(document: str, selection: Selection, unchanged: bool) -> Selection | None:
    """Where the selected text stands in `document` now: at its old place if that is `unchanged`, else at the only place that has it.

    None where it stands nowhere, or in several places and the document has changed.
    """
    if unchanged and document.startswith(selection.text, selection.start):
        return selection
    first = document.find(selection.text)
    if first < 0 or document.find(selection.text, first + 1) >= 0:
        return None
    return Selection(first, selection.text)


def _stripped(document: str, start: int, end: int) -> Selection | None:
    text = document[start:end]
    start += len(text) - len(text.lstrip())
    return Selection(start, text.strip()) if text.strip() else None


def _paragraph(document: str, offset: int) -> tuple[int, int]:
    """Start and end of the paragraph around `offset`: up to the blank lines before and behind it."""
    start = 0
    for blank in _BLANK_LINE.finditer(document):
        if blank.start() >= offset:
            return start, blank.start()
        start = blank.end()
    return start, len(document)
