"""Comments and string literals of JavaScript, TypeScript and JSON."""

import re

from promptopt.frames.escapes import as_it_is, decode_common, escaper, from_digits, verbatim
from promptopt.frames.tokens import Notation, Opener, Syntax, Token, block_comment, line_comment, quoted

_SEPARATORS = "\u2028\u2029"
_ESCAPE = r"\\(?:u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|u\{[0-9A-Fa-f]+\}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|\r\n|.)"
_INSIDE = re.compile(r"[{}]|//[^\r\n]*|/\*.*?\*/|'(?:\\.|[^'\\\r\n])*'|\"(?:\\.|[^\"\\\r\n])*\"|`", re.DOTALL)
_BEFORE_PATTERN = re.compile(
    r"(?:^|[(,=:\[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield))\s*\Z"
)
_PATTERN = re.compile(r"/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\r\n])*\]|[^/\\\[\r\n])+/")


def decode(escape: str) -> str:
    """The value of a JavaScript escape; one that is not known stands for its character."""
    rest = escape[1:]
    if rest[0] in "\r\n\u2028\u2029":
        return ""
    if rest == "0":
        return "\0"
    if len(rest) > 5 and rest[0] == "u" and rest[1] != "{":
        return (chr(int(rest[1:5], 16)) + chr(int(rest[7:], 16))).encode("utf-16", "surrogatepass").decode("utf-16")
    if rest[0] in "xu":
        return from_digits(escape)
    if rest[0] in "123456789":
        raise ValueError(escape)
    return {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}.get(rest, rest)


def decode_json(escape: str) -> str:
    """The value of a JSON escape. Raises ValueError for any other."""
    if escape[1] == "u" or escape == "\\/":
        return decode(escape)
    if escape[1] not in 'bfnrt"\\':
        raise ValueError(escape)
    return decode_common(escape)


def field_end(document: str, start: int) -> int | None:
    """Where the `${…}` that begins at `start` ends; None where none begins, or it has no end."""
    if not document.startswith("${", start):
        return None
    depth, position = 0, start + 1
    while found := _INSIDE.search(document, position):
        position = found.end()
        if found.group() == "`":
            inner = TEMPLATE.close(document, found)
            if inner is None:
                return None
            position = inner.end
        elif found.group() in "{}":
            depth += 1 if found.group() == "{" else -1
            if depth == 0:
                return position
    return None


def encode_template(text: str) -> str:
    """`text` in a template literal."""
    return _TEMPLATE_ESCAPER(text).replace("${", "\\${")


_TEMPLATE_ESCAPER = escaper("\\`", kept="\n")
_TEMPLATE = Notation(
    "JavaScript template", re.compile(_ESCAPE + r"|\$\{", re.DOTALL), decode, encode_template, field_end, multiline=True, edges="${"
)
_RAW = Notation("raw template", re.compile(r"\\.|\$\{", re.DOTALL), as_it_is, verbatim, field_end, multiline=True)
TEMPLATE = quoted("`", "`", _TEMPLATE)
_JSON = Notation("JSON string", re.compile(_ESCAPE, re.DOTALL), decode_json, escaper('\\"', control="\\u{:04x}"))


def string(quote: str) -> Opener:
    """The string literals between `quote`."""
    form = Notation("JavaScript string", re.compile(_ESCAPE, re.DOTALL), decode, escaper("\\" + quote + _SEPARATORS))
    return quoted(quote, quote, form)


def pattern(document: str, match: re.Match[str]) -> Token | None:
    """A regular expression, skipped; None where the slash divides."""
    found = _PATTERN.match(document, match.start())
    if found is None or not _BEFORE_PATTERN.search(document, max(0, match.start() - 80), match.start()):
        return None
    return Token(match.start(), match.start(), found.end(), found.end(), None)


COMMENTS = [line_comment(r"//+!?", ends=r"\r\n" + _SEPARATORS), block_comment(r"/\*+", "*/", starred=True)]
SYNTAX = Syntax(
    "JavaScript",
    [*COMMENTS, Opener("/", pattern), string("'"), string('"'), quoted(r"\bString\.raw`", "`", _RAW), TEMPLATE],
)
JSON = Syntax("JSON", [*COMMENTS, quoted('"', '"', _JSON)])
