"""Comments and string literals of TOML."""

import re

from promptopt.frames.escapes import as_it_is, decode_common, escaper, verbatim
from promptopt.frames.tokens import Notation, Syntax, line_comment, quoted

_ESCAPE = r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|[ \t]*(?:\r\n|\n)[ \t\r\n]*|.)"


def decode(escape: str) -> str:
    """The value of a TOML escape; a backslash ahead of a line end joins the lines. Raises ValueError for any other."""
    if escape[1] in " \t\r\n":
        return ""
    if escape == "\\e":
        return "\x1b"
    if escape[1:] in ("a", "v", "'"):
        raise ValueError(escape)
    return decode_common(escape)


def encode_block(text: str) -> str:
    """`text` in a multi-line basic string."""
    return _ADJACENT.sub('\\\\"', _BLOCK(text))


_ADJACENT = re.compile('"(?=")')
_BLOCK = escaper("\\", control="\\u{:04x}", kept="\n")
_BASIC = Notation("TOML string", re.compile(_ESCAPE, re.DOTALL), decode, escaper('\\"', control="\\u{:04x}"))
_MULTILINE = Notation("TOML string", re.compile(_ESCAPE, re.DOTALL), decode, encode_block, multiline=True, edges='"')
_LITERAL = Notation("TOML literal string", None, as_it_is, verbatim)
_MULTILINE_LITERAL = Notation("TOML literal string", None, as_it_is, verbatim, multiline=True)
_FIRST_BREAK = r"(?:\r?\n)?"  # directly behind the quotes it is not part of the value

SYNTAX = Syntax(
    "TOML",
    [
        line_comment("#"),
        quoted('"""' + _FIRST_BREAK, '"""', _MULTILINE),
        quoted("'''" + _FIRST_BREAK, "'''", _MULTILINE_LITERAL),
        quoted('"', '"', _BASIC),
        quoted("'", "'", _LITERAL),
    ],
)
