"""Comments and string literals of Python."""

import re
import unicodedata
from functools import cache, partial

from promptopt.frames.escapes import DIGITS, decode_common, escaper, verbatim
from promptopt.frames.tokens import Notation, Opener, Syntax, Token, line_comment, quoted

_ESCAPE = r"\\(?:" + DIGITS + r"|N\{[^}]*\}|[0-7]{1,3}|\r\n|.)"
_QUOTES = re.compile(r"'''|\"\"\"|'|\"")
_BRACES = r"\{\{|\}\}|\{|"
_OPENING = re.compile(r"[{\[(]|[}\])]|:|'''|\"\"\"|'|\"|#")
_FIELD_IN_SPECIFIER = re.compile("[{}]")


def decode(escape: str) -> str:
    """The value of a Python escape; an unknown one stands for itself. Raises ValueError for a name without a character."""
    if escape[1] in "\r\n":
        return ""
    if escape[1] in "01234567":
        return chr(int(escape[1:], 8))
    if escape.startswith("\\N{"):
        return unicodedata.lookup(escape[3:-1])
    try:
        return decode_common(escape)
    except ValueError:
        if escape[1] in "xuUN":
            raise
        return escape


def field_end(document: str, start: int) -> int | None:
    """Where the replacement field that begins at `start` ends; None where a doubled brace or no brace stands."""
    if document[start] != "{" or document.startswith("{{", start):
        return None
    depth, position = 0, start
    while found := _OPENING.search(document, position):
        position = found.end()
        if found.group() in "{[(":
            depth += 1
        elif found.group() in "}])":
            depth -= 1
            if depth == 0:
                return position
        elif found.group() == ":":
            if depth == 1:
                return specifier_end(document, position)
        elif found.group() != "#":
            closing = document.find(found.group(), position)
            position = closing + len(found.group()) if closing >= 0 else position
    return None


def specifier_end(document: str, start: int) -> int | None:
    """Where the field ends whose format specifier begins at `start`: quotes are characters in it, braces fields of their own."""
    position = start
    while found := _FIELD_IN_SPECIFIER.search(document, position):
        if found.group() == "}":
            return found.end()
        inner = field_end(document, found.start())
        if inner is None:
            return None
        position = inner
    return None


@cache
def notation(prefix: str, quote: str) -> Notation:
    """The notation of literals with these prefix letters, in lower case, and this quote."""
    triple, formatted, raw = len(quote) == 3, "f" in prefix or "t" in prefix, "r" in prefix
    escape = r"\\\\|\\" + quote[0] if raw else _ESCAPE
    return Notation(
        name="Python " + ("bytes literal" if "b" in prefix else "raw " * raw + ("f-string" if formatted else "string")),
        special=re.compile(_BRACES + escape.replace("|.)", "|[^{}])") if formatted else escape, re.DOTALL),
        decode=partial(decoded, raw=raw, formatted=formatted),
        encode=partial(encoded, raw=raw, formatted=formatted, quote=quote),
        field_end=field_end if formatted else None,
        multiline=triple,
        edges=quote[0] if triple and not raw else "",
        refused="which holds bytes and no text" if "b" in prefix else "",
    )


def decoded(escape: str, *, raw: bool, formatted: bool) -> str:
    """The value of what is special in a literal."""
    if formatted and escape in ("{{", "}}"):
        return escape[0]
    return escape if raw else decode(escape)


def encoded(text: str, *, raw: bool, formatted: bool, quote: str) -> str:
    """`text` as a literal spells it. Raises ValueError when a raw one cannot."""
    if raw:
        spelled = verbatim(text)
    elif len(quote) == 1:
        spelled = escaper("\\" + quote)(text)
    else:
        spelled = re.sub(f"{quote[0]}(?={quote[0]})", "\\\\" + quote[0], escaper("\\", kept="\n")(text))
    return spelled.replace("{", "{{").replace("}", "}}") if formatted else spelled


def close(document: str, match: re.Match[str]) -> Token | None:
    """The literal that begins at `match`."""
    return literal(match.group().lower()).close(document, match)


@cache
def literal(opening: str) -> Opener:
    """The literals that begin with `opening`: prefix letters, in lower case, and a quote."""
    quote = _QUOTES.search(opening)
    assert quote is not None
    return quoted(opening, quote.group(), notation(opening[: quote.start()], quote.group()))


SYNTAX = Syntax("Python", [line_comment("#"), Opener(r"(?:\b[rRbBuUfFtT]{1,2})?(?:'''|\"\"\"|'|\")", close)])
