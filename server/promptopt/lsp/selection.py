"""What of a document is to be rewritten, and where it stands when the rewrite is there."""

import re
from dataclasses import dataclass

_BLANK_LINE = re.compile(r"(?:\r\n|\n|\r(?!\n))[ \t]*(?:\r\n|\n|\r)")


@dataclass(frozen=True)
class Selection:
    """The prompt `text` at offset `start` of a document."""

    start: int
    text: str

    @property
    def end(self) -> int:
        """The offset behind the prompt."""
        return self.start + len(self.text)


def select(document: str, start: int, end: int) -> Selection | None:
    """The prompt in `document[start:end]` without the white space around it; None where nothing is selected.

    A selection of a single character is widened to its paragraph: Helix always selects at least the character under the cursor.
    """
    start, end = min(start, end), max(start, end)
    if start == end:
        return None
    if end - start == 1 or document[start:end] == "\r\n":
        start, end = _paragraph(document, start)
    text = document[start:end]
    start += len(text) - len(text.lstrip())
    return Selection(start, text.strip()) if text.strip() else None


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


def _paragraph(document: str, offset: int) -> tuple[int, int]:
    """Start and end of the paragraph around `offset`: up to the blank lines before and behind it."""
    start = 0
    for blank in _BLANK_LINE.finditer(document):
        if blank.start() >= offset:
            return start, blank.start()
        start = blank.end()
    return start, len(document)
