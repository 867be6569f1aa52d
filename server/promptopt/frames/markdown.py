"""Markdown: lists and block quotes have something ahead of each line, fenced blocks are a text of their own."""

import re
from dataclasses import dataclass

from promptopt.frames.lines import Line, Reading, blanked, line_bounds, read_lines

_CONTAINERS = re.compile(r"(?:[ ]{0,3}>[ ]?|[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?|[ \t]+)*")
_QUOTES = re.compile(r"(?:[ ]{0,3}>[ ]?)*[ \t]*")
_FENCE = re.compile(
    r"^(?P<lead>(?:[ \t]*(?:>|[-*+]|\d{1,9}[.)])[ \t]*)*[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^`\s]*)[^`\r\n]*(?=[\r\n]|\Z)",
    re.MULTILINE,
)
_NAME = re.compile(r"\{?\.?([\w+#-]+)")
_FRONT_MATTER = re.compile(r"\A---[ \t]*(?:\r\n|\n)(.*?)^(?:---|\.\.\.)[ \t]*(?=[\r\n]|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """A fenced block: its lines are `document[start:end]`, each behind `lead`; `language` is what the fence says they are."""

    start: int
    end: int
    lead: str
    language: str


def fence_around(document: str, start: int, end: int) -> Fence | None:
    """The fenced block that `document[start:end]` lies in, or the front matter, which is one of YAML."""
    front = _FRONT_MATTER.match(document)
    if front and front.start(1) <= start and end <= front.end(1):
        return Fence(front.start(1), front.end(1), "", "yaml")
    position = front.end() if front else 0
    while found := _FENCE.search(document, position):
        mark = found["mark"]
        closing = re.compile(rf"^[ \t>]*{re.escape(mark)}{re.escape(mark[0])}*[ \t]*(?=[\r\n]|\Z)", re.MULTILINE)
        body = line_bounds(document, found.end(), found.end())[0][1]
        closed = closing.search(document, body)
        stop = closed.start() if closed else len(document)
        if found.end() < start and end <= stop:
            first = body + (2 if document.startswith("\r\n", body) else 1)
            name = _NAME.match(found["info"])  # of `{python}`, `{.python` or `python{1,3}` the same
            return Fence(first, stop, found["lead"], name[1].lower() if name else "")
        if found.start() >= end:
            return None
        position = closed.end() if closed else len(document)
    return None


def read_fenced(document: str, fence: Fence, start: int, end: int) -> Reading:
    """Text in a fenced block within lists or quotes, whose lead is not part of it."""
    lead = blanked_markers(fence.lead)
    bounds = line_bounds(document, start, end)
    begin = bounds[0][0]
    own = document[begin:start]
    prefix = own if own.startswith(lead) and not own[len(lead) :].strip() else lead
    if not all(document.startswith(prefix, at) for at, until in bounds[1:] if document[at:until].strip(" \t>")):
        prefix = lead
    lines = [Line(at, min(at + len(prefix), until), until) for at, until in bounds]
    return read_lines(document, lines, prefix, start, end, ("fence", fence.start, len(document) - fence.end))


def read_markdown(document: str, start: int, end: int) -> Reading:
    """Text in lists and block quotes: markers and quotation marks are not part of it; further lines of an item are set under its text."""
    bounds = line_bounds(document, start, end)
    (begin, stop), *further = bounds
    found = _CONTAINERS.match(document, begin, stop)
    assert found is not None
    lead = found.group()
    prefix = blanked_markers(lead)
    if not all(under(document[at:until], prefix) for at, until in further):
        quotes = _QUOTES.match(lead)
        assert quotes is not None
        lead = prefix = quotes.group()
        if not all(under(document[at:until], prefix) for at, until in further):
            lead = prefix = ""
    lines = [Line(begin, min(begin + len(lead), stop), stop)]
    lines += [Line(at, min(at + len(prefix), until), until) for at, until in further]
    return read_lines(document, lines, prefix, start, end, ("text", 0, 0))


def under(line: str, prefix: str) -> bool:
    """Whether `line` is blank or begins as a further line of its item does."""
    return line.startswith(prefix) or line.rstrip() == prefix.rstrip() or not line.strip()


def blanked_markers(lead: str) -> str:
    """What a further line begins with: quotation marks stay, list markers become blanks."""
    return "".join(character if character in ">\t" else blanked(character) for character in lead)
