"""Comments, strings and here-documents of POSIX shells."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from promptopt.frames.escapes import decode_common, verbatim
from promptopt.frames.tokens import Notation, Syntax, Token, line_comment, quoted, skipped

_PARAMETER = re.compile(r"\$(?:[A-Za-z_]\w*|[0-9@*#?$!-])")
_WORD = r"(?:'[^'\r\n]*'|\"(?:\\[^\r\n]|[^\"\\\r\n])*\"|\\[^\r\n]|[^\s'\"\\|&;()<>`])+"
_OPENING = rf"(?<!<)<<-?[ \t]*{_WORD}"
_INSIDE = re.compile(rf"\\.|'[^']*'|\"|[(){{}}\n]|{_OPENING}", re.DOTALL)
_PROTECTED = re.compile(r"'([^']*)'|\"((?:\\.|[^\"\\])*)\"|\\(.)")
_BACKQUOTED = re.compile(r"`(?:\\.|[^`\\])*`", re.DOTALL)
_SPECIAL = r"\\(?:[\\\"$`]|\r\n|\n)|[$`]"
_HERE_SPECIAL = r"\\(?:[\\$`]|\r\n|\n)|[$`]"


def field_end(document: str, start: int) -> int | None:
    """Where the expansion that begins at `start` ends (`$x`, `${x}`, `$(…)`, a command in backquotes); None where none begins."""
    if document.startswith(("${", "$("), start):
        return nested_end(document, start + 1)
    found = (_BACKQUOTED if document[start] == "`" else _PARAMETER).match(document, start)
    return found.end() if found else None


def nested_end(document: str, start: int) -> int | None:
    """The offset behind the bracket that closes the one at `start`; quotes within are passed over."""
    pairs = {"(": ")", "{": "}"}
    opening, closing = document[start], pairs[document[start]]
    depth, position = 0, start
    marks: list[Mark] = []
    while found := _INSIDE.search(document, position):
        position = found.end()
        if found.group().startswith("<<"):
            marks.append(mark_of(found.group()))
        elif found.group() == "\n":
            position, marks = here_documents(document, position, marks)[1], []
        elif found.group() == '"':
            inner = _DOUBLE.close(document, found)
            if inner is None:
                return None
            position = inner.end
        elif found.group() in (opening, closing):
            depth += 1 if found.group() == opening else -1
            if depth == 0:
                return position
    return None


def decode(escape: str) -> str:
    """The value of a backslash and what it protects; joined lines are one, and tabs that begin a line are nothing where they are special.

    A dollar sign alone is itself.
    """
    return "" if escape[-1] in "\n\t" else escape[-1]


def encode(text: str) -> str:
    """`text` between double quotes. Raises ValueError for a control character."""
    return re.sub(r'[\\"$`]', r"\\\g<0>", verbatim(text))


def encode_here(text: str) -> str:
    """`text` in a here-document. Raises ValueError for a control character."""
    return re.sub(r"[\\$`]", r"\\\g<0>", verbatim(text))


def encode_ansi(text: str) -> str:
    r"""`text` between `$'` and `'`. Raises ValueError for a control character but the line feed."""
    return re.sub(r"[\\']", r"\\\g<0>", verbatim(text)).replace("\n", "\\n")


_SINGLE = Notation(
    "shell string", re.compile(r"'\\''"), lambda escape: "'", lambda text: verbatim(text).replace("'", "'\\''"), multiline=True
)
_DOUBLE = quoted('"', '"', Notation("shell string", re.compile(_SPECIAL), decode, encode, field_end, multiline=True))
_ANSI = Notation(
    "shell string", re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL), decode_common, encode_ansi
)


def here_notation(special: str | None, expanded: bool) -> Notation:
    """How a here-document is written: `expanded` when its mark is not quoted."""
    pattern = re.compile(special, re.MULTILINE) if special else None
    if expanded:
        return Notation("here-document", pattern, decode, encode_here, field_end, multiline=True)
    return Notation("here-document", pattern, decode, verbatim, multiline=True)


_HERE = {  # by whether the mark is quoted, and whether tabs are taken away
    (False, False): here_notation(_HERE_SPECIAL, expanded=True),
    (False, True): here_notation(_HERE_SPECIAL + r"|^\t+", expanded=True),
    (True, False): here_notation(None, expanded=False),
    (True, True): here_notation(r"^\t+", expanded=False),
}


class Mark(NamedTuple):
    """The line that ends a here-document; whether it was quoted, and whether tabs ahead of a line are taken away."""

    word: str
    quoted: bool
    tabs: bool


def mark_of(opening: str) -> Mark:
    """The mark that `opening`, from `<<` to the end of the word, asks for."""
    word = opening.removeprefix("<<").removeprefix("-").lstrip(" \t")

    def unquoted(found: re.Match[str]) -> str:
        single, double, character = found.groups()
        return re.sub(r'\\([\\"$`])', r"\1", double) if double is not None else single or character or ""

    plain = _PROTECTED.sub(unquoted, word)
    return Mark(plain, plain != word, opening.startswith("<<-"))


def here_documents(document: str, start: int, marks: Sequence[Mark]) -> tuple[list[Token], int]:
    """The here-documents of a line's `marks`, the first beginning at `start`, and where the line behind them begins.

    A mark without the line that ends it is passed over: it may be a shift.
    """
    tokens = []
    for mark in marks:
        line = re.compile(rf"^{'	*' if mark.tabs else ''}{re.escape(mark.word)}\r?$", re.MULTILINE)
        ends = (found for found in line.finditer(document, start) if mark.quoted or not joined(document, start, found.start()))
        end = next(ends, None)
        if end:
            tokens.append(Token(start, start, end.start(), end.start(), _HERE[mark.quoted, mark.tabs]))
            start = min(end.end() + 1, len(document))
    return tokens, start


def joined(document: str, start: int, line: int) -> bool:
    """Whether a backslash joins the line that begins at `line` to the one ahead of it, of a text that begins at `start`."""
    ahead = document[start:line].removesuffix("\n").removesuffix("\r")
    return (len(ahead) - len(ahead.rstrip("\\"))) % 2 == 1


def scan(document: str) -> Iterator[Token]:
    """The tokens of a script; here-documents begin on the line behind the one that asks for them."""
    position = 0
    marks: list[Mark] = []
    while found := _CODE.first(document, position):
        match, token, position = found
        if match.group().startswith("<<"):
            marks.append(mark_of(match.group()))
        elif match.group() == "\n":
            tokens, position = here_documents(document, position, marks)
            marks = []
            yield from tokens
        elif token and token.form:
            yield token


_CODE = Syntax(
    "shell",
    [
        skipped(r"\\(?:\r\n|\n|.)|\n"),
        skipped(r"\$#|\$\{#"),
        line_comment(r"(?<![^\s;|&()])#"),
        skipped(_OPENING),
        quoted(r"\$'", "'", _ANSI),
        quoted("'", "'", _SINGLE),
        _DOUBLE,
    ],
)
SYNTAX = Syntax("shell", scan=scan)
