"""Comments, strings and here-documents of POSIX shells."""

import re

from promptopt.frames.escapes import as_it_is, decode_common, verbatim
from promptopt.frames.tokens import Notation, Opener, Syntax, Token, line_comment, quoted, skipped

_PARAMETER = re.compile(r"\$(?:[A-Za-z_]\w*|[0-9@*#?$!-])")
_INSIDE = re.compile(r"\\.|'[^']*'|\"|[(){}]", re.DOTALL)
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
    while found := _INSIDE.search(document, position):
        position = found.end()
        if found.group() == '"':
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
    """The value of a backslash and what it protects; joined lines are one. A dollar sign alone is itself."""
    return "" if escape[-1] == "\n" else escape[-1]


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
_HERE = Notation("here-document", re.compile(_HERE_SPECIAL), decode, encode_here, field_end, multiline=True)
_HERE_QUOTED = Notation("here-document", None, as_it_is, verbatim, multiline=True)


def here_document(document: str, match: re.Match[str]) -> Token | None:
    """The lines of a here-document; None when the line that ends it is missing."""
    opening = re.fullmatch(r"<<(-?)[ \t]*(['\"\\]?)(\w+)['\"]?", match.group())
    assert opening is not None
    tabs, quote, word = opening.groups()
    body = re.compile(r"\r\n|\n").search(document, match.end())
    end = re.compile(rf"^{'	*' if tabs else ''}{word}\r?$", re.MULTILINE).search(document, body.end()) if body else None
    if body is None or end is None or tabs:
        return None
    return Token(body.end(), body.end(), end.start(), end.start(), _HERE_QUOTED if quote else _HERE)


SYNTAX = Syntax(
    "shell",
    [
        skipped(r"\\."),
        skipped(r"\$#|\$\{#"),
        line_comment(r"(?<![^\s;|&()])#"),
        Opener(r"(?<!<)<<-?[ \t]*(?:'\w+'|\"\w+\"|\\?\w+)", here_document),
        quoted(r"\$'", "'", _ANSI),
        quoted("'", "'", _SINGLE),
        _DOUBLE,
    ],
)
