"""What stands in other languages within HTML: scripts and style sheets, and the script ahead of an Astro page."""

import re
from collections.abc import Callable

from promptopt.frames.javascript import JSON
from promptopt.frames.javascript import SYNTAX as JAVASCRIPT
from promptopt.frames.tokens import Opener, Syntax, Token, skipped

_TYPE = re.compile(r"""\btype\s*=\s*["']?([^\s"'>]*)""", re.IGNORECASE)
_HIDDEN = re.compile(r"<!--.*<script", re.IGNORECASE | re.DOTALL)
_SCRIPTS = re.compile(r"(?:|module|(?:text|application)/(?:x-)?(?:java|ecma)script)", re.IGNORECASE)
_DATA = re.compile(r"(?:importmap|speculationrules|(?:text|application)/(?:[\w.-]+\+)?json)", re.IGNORECASE)
_FENCED = Syntax("", [skipped("^[ \t]*---"), *JAVASCRIPT.openers])


def elements(css: Syntax) -> list[Opener]:
    """The openers of scripts, by their type, and of style sheets, whose syntax is `css`; of other types all is text."""
    return [element("script", script_syntax), element("style", lambda _: css)]


def script_syntax(tag: str) -> Syntax | None:
    """What a script is written in, by its opening tag; None where that is nothing that is known."""
    found = _TYPE.search(tag)
    kind = found[1] if found else ""
    if _SCRIPTS.fullmatch(kind):
        return JAVASCRIPT
    return JSON if _DATA.fullmatch(kind) else None


def element(name: str, syntax_of: Callable[[str], Syntax | None]) -> Opener:
    """The elements of this name, in the syntax that their opening tag asks for. One in which a comment may hide its end is text."""
    closing = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)

    def close(document: str, match: re.Match[str]) -> Token | None:
        found = closing.search(document, match.end())
        end = found.start() if found else len(document)
        hidden = _HIDDEN.search(document, match.end(), end)
        return Token(match.start(), match.end(), end, end, None if hidden else syntax_of(match.group()))

    return Opener(rf"(?i:<{name}(?=[\s/>])(?:[^>\"']|\"[^\"]*\"|'[^']*')*>)", close)


def front_matter(document: str, match: re.Match[str]) -> Token | None:
    """The script between two fences; None where the second is missing. One in a comment or a template of the script is a part of it."""
    position = match.end()
    while found := _FENCED.first(document, position):
        fence, _, position = found
        if fence.group().endswith("---"):
            return Token(match.start(), match.end(), fence.start(), fence.end(), JAVASCRIPT)
    return None


FRONT_MATTER = Opener(r"\A\s*---", front_matter)
