"""Comments and scalars of YAML."""

import re
from dataclasses import replace

from promptopt.errors import InvalidInput
from promptopt.frames.escapes import decode_common, escaper
from promptopt.frames.lines import LINE_END, Reading, line_bounds, line_start
from promptopt.frames.tokens import Notation, Opener, Syntax, Token, line_comment, quoted

_NODE = re.compile(r"(?:^|(?<=[\s\[{,]))(?:[-?:][ \t]+|[\[{,][ \t]*|[!&][^\s,]*[ \t]+)*\Z|[\"']:[ \t]*\Z|:[ \t]+(?:[!&]\S*[ \t]+)?\Z")
_FAR = 120
"What stands farther ahead in its line decides nothing about a scalar; without a bound a long line would take its length squared."
_FOLD = r"[ \t]*(?:\r\n|\n)(?:[ \t]*(?:\r\n|\n))*[ \t]*"
_BAD = re.compile("[^\t\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ESCAPED = escaper('\\"', control="\\x{:02x}")
_PLAIN = re.compile(
    r"(?P<ahead>[ \t]*(?:[-?][ \t]+)*(?:(?:[^\s#&*!|>%@`\"'\[{][^#\r\n]*?|\"[^\"\r\n]*\"|'[^'\r\n]*'):[ \t]+)?)"
    r"(?P<value>[^\s#&*!|>%@`\"'\[\]{},?:-][^\r\n]*?|[-?:][^\s][^\r\n]*?)[ \t]*(?P<comment>[ \t]#.*)?"
)
_ENDS_OPEN = re.compile(r"(?:^---|:|^[ ]*(?:[-?][ \t]+)*[-?])[ \t]*(?:[ \t]#.*)?\Z")
_DOCUMENT_END = re.compile(r"(?:---|\.\.\.)(?!\S)")
_SPECIAL = {"0": "\0", "e": "\x1b", " ": " ", "/": "/", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029", "\t": "\t"}


def decode_double(escape: str) -> str:
    """The value of an escape or a line fold between double quotes."""
    if escape[0] != "\\":
        return unfolded(escape)
    if escape[1:].lstrip(" \t")[:1] in ("\r", "\n"):
        return ""
    return _SPECIAL[escape[1:]] if escape[1:] in _SPECIAL else decode_common(escape)


def decode_single(escape: str) -> str:
    """The value of a doubled quote or a line fold."""
    return "'" if escape == "''" else unfolded(escape)


def unfolded(fold: str) -> str:
    """What line ends and the white space around them stand for."""
    breaks = len(LINE_END.findall(fold))
    return "\n" * (breaks - 1) or " "


def printable(text: str) -> str:
    """`text`. Raises ValueError when it has a character that only an escape can hold."""
    if _BAD.search(text):
        raise ValueError("it has a character that YAML can only escape")
    return text


def encode_double(text: str) -> str:
    """`text` between double quotes, on one line."""
    return _BAD.sub(lambda found: escaped_digits(ord(found.group())), _ESCAPED(text))


def escaped_digits(number: int) -> str:
    """The numeric escape of a character."""
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


_DOUBLE = Notation(
    "YAML string",
    re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[ \t]*(?:\r\n|\n)[ \t]*|.)|" + _FOLD, re.DOTALL),
    decode_double,
    encode_double,
)
_SINGLE = Notation("YAML string", re.compile("''|" + _FOLD), decode_single, lambda text: printable(text).replace("'", "''"), folds=True)
_LITERAL = Notation("YAML block", None, str, printable, multiline=True)
_FOLDED = Notation("YAML block", None, str, printable, folds=True)


def scalar(quote: str, notation: Notation) -> Opener:
    """The quoted scalars between `quote`, where a scalar can begin; lines that they are folded to are set behind the quote."""
    plain = quoted(quote, quote, replace(notation, multiline=True))

    def close(document: str, match: re.Match[str]) -> Token | None:
        begin = max(line_start(document, match.start()), match.start() - _FAR)
        if not _NODE.search(document[begin : match.start()]):
            return None
        token = plain.close(document, match)
        if token is None:
            return None
        prefix = " " * (match.start() - begin + 1)
        return Token(token.start, token.text_start, token.text_end, token.end, notation, prefix)

    return Opener(quote, close)


def block(document: str, match: re.Match[str]) -> Token | None:
    """The lines of a block scalar; None when the indicator is part of a plain scalar, or no line follows."""
    begin = line_start(document, match.start())
    ahead = document[begin : match.start()]
    if not _NODE.search(ahead):
        return None
    parent = parent_column(ahead)
    digit = re.search(r"\d", match.group().split("#")[0])
    indentation = max(parent, 0) + int(digit.group()) if digit else None
    position = end = match.end()
    while position < len(document) and (found := LINE_END.match(document, position)):
        stop = next_end(document, found.end())
        line = document[found.end() : stop]
        if line.strip(" "):
            column = len(line) - len(line.lstrip(" "))
            indentation = max(column, parent + 1) if indentation is None else indentation
            if column < indentation:
                break
            end = stop
        position = stop
    if indentation is None or end == match.end():
        return None
    start = LINE_END.match(document, match.end())
    assert start is not None
    prefix = " " * indentation
    form = _LITERAL if match.group().lstrip()[0] == "|" else folded(prefix)
    first = start.end() + (len(prefix) if document.startswith(prefix, start.end()) else 0)
    return Token(match.start(), min(first, end), end, end, form, prefix)


def folded(prefix: str) -> Notation:
    """The notation of a folded block whose lines begin with `prefix`; a line that is indented more is not understood."""

    def decode(fold: str) -> str:
        if LINE_END.split(fold)[-1] != prefix:
            raise ValueError(fold)
        return unfolded(fold)

    return replace(_FOLDED, special=re.compile(r"(?:\r\n|\n)(?:[ ]*(?:\r\n|\n))*[ \t]*"), decode=decode)


def parent_column(ahead: str) -> int:
    """The column of the key or the dash that a block scalar belongs to; -1 at the root."""
    dashes = re.match(r"[ ]*(?:[-?][ \t]+)*", ahead)
    assert dashes is not None
    if re.search(r":[ \t]", ahead[dashes.end() :]) or ahead[dashes.end() :].endswith(":"):
        return dashes.end()
    return len(dashes.group().rstrip()) - 1 if dashes.group().strip() else -1


def next_end(document: str, position: int) -> int:
    """Where the line of `position` ends."""
    found = LINE_END.search(document, position)
    return found.start() if found else len(document)


def read_plain(document: str, start: int, end: int) -> Reading:
    """A plain scalar that is selected whole; a rewrite takes its place between double quotes. Raises InvalidInput for any other text."""
    (begin, stop), *further = line_bounds(document, start, end)
    found = None if further else _PLAIN.fullmatch(document, begin, stop)
    if found is None or (start, end) != found.span("value") or continued(document, begin, start, end, ends=bool(found["comment"])):
        raise InvalidInput("The selection is not the whole of a YAML value.", "Select one value, or the text of one string or comment.")
    place = (_DOUBLE.name, start, len(document) - end)
    return Reading(document[start:end], encode_double, place, head='"', tail='"', exact=True)


def continued(document: str, begin: int, start: int, end: int, ends: bool) -> bool:
    """Whether the scalar `document[start:end]`, in the line that begins at `begin`, began or goes on in another line.

    ends: a comment stands behind it, which no scalar goes on after.
    """
    ahead = document[begin:start]
    if not ahead.strip():
        before = next((line for line in reversed(LINE_END.split(document[:begin])) if line.strip() and line.lstrip()[0] != "#"), "---")
        if not _ENDS_OPEN.search(before):
            return True
        ahead = "" if before.startswith("---") else before.rstrip() + " "
    after = "" if ends else next((line for line in LINE_END.split(document[end:])[1:] if line.strip()), "")
    column = len(after) - len(after.lstrip(" "))
    return bool(after) and column > parent_column(ahead) and after.lstrip()[0] != "#" and not _DOCUMENT_END.match(after)


SYNTAX = Syntax(
    "YAML",
    [
        line_comment(r"(?<!\S)#"),
        Opener(r"(?<!\S)[|>](?:[+-]?[1-9]?|[1-9][+-])[ \t]*(?:[ \t]#[^\r\n]*)?(?=[\r\n])", block),
        scalar('"', _DOUBLE),
        scalar("'", _SINGLE),
    ],
)
