"""The text of comments: of a run of line comments, or of one block."""

import re
from collections.abc import Sequence
from itertools import pairwise

from promptopt.errors import InvalidInput
from promptopt.frames.lines import Line, Reading, blanked, common, leading_space, line_bounds, read_lines
from promptopt.frames.tokens import Comment, Token

_STAR = re.compile(r"[ \t]*\*")


def read_line_comments(document: str, group: Sequence[Token], start: int, end: int) -> Reading:
    """The text of consecutive line comments. Raises InvalidInput when code stands between them."""
    for before, after in pairwise(group):
        if document[before.end : after.start].strip():
            raise InvalidInput("The selection reaches from one comment over code to another.", "Select the text of one comment.")
    texts = [document[token.text_start : token.end] for token in group]
    space = common([leading_space(text) for text in texts if text.strip()])
    lines = [line_of(document, token, space) for token in group]
    model = group[1] if len(group) > 1 else group[0]
    ahead = document[line_bounds(document, model.start, model.start)[0][0] : model.start]
    prefix = blanked(ahead) + document[model.start : model.text_start] + space
    place = ("comment", group[0].start, len(document) - group[-1].end)
    return read_lines(document, lines, prefix, start, end, place)


def line_of(document: str, token: Token, space: str) -> Line:
    """A line comment as a line, its text behind leader and `space`."""
    begin = line_bounds(document, token.start, token.start)[0][0]
    blank = not document[token.text_start : token.end].strip()
    return Line(begin, token.end if blank else token.text_start + len(space), token.end)


def read_block_comment(document: str, token: Token, form: Comment, start: int, end: int) -> Reading:
    """The text of a block comment, without the ` * ` or the indentation that its further lines begin with."""
    bounds = line_bounds(document, token.start, token.end)
    further = [(begin, min(stop, token.text_end)) for begin, stop in bounds[1:]]
    worded = [(begin, stop) for begin, stop in further if document[begin:stop].strip()]
    star = form.starred and bool(worded) and all(_STAR.match(document, begin, stop) for begin, stop in worded)
    leaders = [leader(document, begin, stop, star) for begin, stop in worded]
    texts = [(begin + len(lead), stop) for lead, (begin, stop) in zip(leaders, worded, strict=True)]
    space = common([leading_space(document[begin:stop]) for begin, stop in texts if document[begin:stop].strip()])
    opening = Line(bounds[0][0], *trimmed(document, token.text_start, min(bounds[0][1], token.text_end)))
    lines = [opening, *(block_line(document, begin, stop, star, space) for begin, stop in further)]
    if worded:
        prefix = leaders[0] + space
    else:
        ahead = document[bounds[0][0] : token.start]
        prefix = blanked(ahead) + (" * " if form.starred else blanked(document[token.start : opening.text]))
    return read_lines(document, lines, prefix, start, end, ("comment", token.start, len(document) - token.end))


def leader(document: str, begin: int, stop: int, star: bool) -> str:
    """What a further line of a block begins with, its white space left out."""
    found = _STAR.match(document, begin, stop) if star else None
    return found.group() if found else ""


def block_line(document: str, begin: int, stop: int, star: bool, space: str) -> Line:
    """A further line of a block."""
    text = begin + len(leader(document, begin, stop, star))
    if not document[text:stop].strip():
        return Line(begin, stop, stop)
    end = text + len(document[text:stop].rstrip())
    return Line(begin, text + len(space) if document.startswith(space, text) else text, end)


def trimmed(document: str, begin: int, stop: int) -> tuple[int, int]:
    """`document[begin:stop]` without the white space around it."""
    text = document[begin:stop]
    return begin + len(text) - len(text.lstrip()), begin + len(text.rstrip())
