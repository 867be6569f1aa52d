"""JSX: tags, texts and expressions among JavaScript.

A tag is taken for one where an expression may begin, and only if its element has an end: comparisons and type parameters have none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.entities import name2codepoint

from promptopt.frames.javascript import COMMENTS
from promptopt.frames.javascript import SYNTAX as JAVASCRIPT
from promptopt.frames.tokens import Notation, Syntax, Token, shifted, skipped

_REFERENCE = r"&(?:#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]*);"
_FOLD = r"[ \t]*[\r\n][ \t\r\n]*"
_SPACE = r"[^\S ]|[\x00-\x1f\x7f\u200b\ufeff]"
_TEXT_SPECIAL = re.compile(rf"[&<>{{}}]|{_SPACE}|\A | \Z")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}

_BEFORE_TAG = re.compile(
    r"(?:^|[(,=:\[!&|?{;]|=>|\b(?:return|default|yield|await|case|else|do))(?:\s|//[^\r\n]*[\r\n]|/\*.*?\*/)*\Z", re.DOTALL
)
_OPENING = re.compile(r"<(?:(?P<name>[A-Za-z_$][\w$.:-]*)(?!\s+extends\b)(?:<(?:[^<>;]|<[^<>;]*>)*>)?(?=[\s/>{])|(?=>))")
_CLOSING = re.compile(r"</\s*(?P<name>(?:[A-Za-z_$][\w$.:-]*)?)\s*>")
_IN_TAG = re.compile(r"[\s\w$:=-]+|/\*.*?\*/|//[^\r\n]*|\"[^\"]*\"|'[^']*'|/?>|\{", re.DOTALL)
_IN_TEXT = re.compile(r"[<{}]")
_COMMENT = Syntax("", COMMENTS)
_CODE = Syntax("", [skipped(r"[{}]"), skipped(r"<(?=[\w$>])"), *JAVASCRIPT.openers])


def decode(special: str) -> str:
    """The value of a character reference, itself if nothing has the name; a space for a line break.

    Raises ValueError for one that is no character.
    """
    if special[0] != "&":
        return " "
    name = special[1:-1]
    if name[0] != "#":
        return "'" if name == "apos" else chr(name2codepoint[name]) if name in name2codepoint else special
    number = int(name[2:], 16) if name[1] == "x" else int(name[1:])
    if 0xD800 <= number < 0xE000:
        raise ValueError(special)
    return chr(number)


def decode_value(special: str) -> str:
    """The value of a character reference, or of a line break in an attribute's value."""
    return decode(special) if special[0] == "&" else "\n"


def reference(found: re.Match[str]) -> str:
    """The character reference for what was found."""
    return _NAMED.get(found.group()) or f"&#{ord(found.group())};"


def encode(text: str) -> str:
    """`text` between tags: a line break or a space at its end would be no part of it."""
    return _TEXT_SPECIAL.sub(reference, text)


def value(quote: str) -> Notation:
    """An attribute's value between `quote`, which has character references and no backslash escapes."""
    # the marks of an HTML comment, in which some grammars end the value
    special = re.compile(rf"[&{quote}]|<(?=!--)|(?<=--)>|{_SPACE}")
    return Notation("JSX attribute", re.compile(rf"{_REFERENCE}|\r\n|\r|\n"), decode_value, lambda text: special.sub(reference, text))


TEXT = Notation("JSX text", re.compile(f"{_REFERENCE}|{_FOLD}"), decode, encode)
VALUES = {quote: value(quote) for quote in "\"'"}


@dataclass
class Level:
    """Something within which the scan is: code, an opening tag, or what stands between two tags.

    start: where its element begins.  known: how many tokens had been found ahead of it.  braces: how many of code are open.
    """

    kind: str
    start: int = 0
    name: str = ""
    known: int = 0
    braces: int = 0


@dataclass
class Scan:
    """The state of a scan: where it is, within what, the tokens so far, and the starts of what turned out to be no element."""

    document: str
    position: int = 0
    levels: list[Level] = field(default_factory=lambda: [Level("code")])
    tokens: list[Token] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)

    def tag(self, start: int) -> bool:
        """Enters the opening tag at `start`; whether there is one."""
        found = _OPENING.match(self.document, start)
        if not found or start in self.failed:
            return False
        self.levels.append(Level("tag", start, found["name"] or "", len(self.tokens)))
        self.position = found.end()
        return True

    def fail(self) -> None:
        """Takes back the elements around, up to the code that they stand in, which goes on behind the first `<`."""
        while self.levels[-1].kind != "code":
            level = self.levels.pop()
            self.failed.add(level.start)
            self.position = level.start + 1
            del self.tokens[level.known :]

    def step_tag(self) -> None:
        """Goes on within an opening tag."""
        found = _IN_TAG.match(self.document, self.position)
        if not found:
            return self.fail()
        self.position = found.end()
        part = found.group()
        if part[0] in VALUES:
            self.tokens.append(Token(found.start(), found.start() + 1, found.end() - 1, found.end(), VALUES[part[0]]))
        elif part.startswith(("//", "/*")):
            self.tokens += [shifted(token, found.start()) for token in _COMMENT.find(part)]
        elif part == "{":
            self.levels.append(Level("code"))
        elif part == "/>":
            self.levels.pop()
        elif part == ">":
            self.levels[-1].kind = "text"

    def step_text(self) -> None:
        """Goes on between tags. White space around a text is no part of it."""
        found = _IN_TEXT.search(self.document, self.position)
        if not found or found.group() == "}":
            return self.fail()
        text = self.document[self.position : found.start()]
        if text.strip():
            start = self.position + len(text) - len(text.lstrip())
            end = self.position + len(text.rstrip())
            self.tokens.append(Token(start, start, end, end, TEXT))
        self.position = found.end()
        if found.group() == "{":
            self.levels.append(Level("code"))
        elif closing := _CLOSING.match(self.document, found.start()):
            self.close(closing)
        elif not self.tag(found.start()):
            self.fail()

    def close(self, closing: re.Match[str]) -> None:
        """Leaves the innermost element of the name, and those within it that have no end yet."""
        for number in range(len(self.levels) - 1, -1, -1):
            if self.levels[number].kind == "code":
                return self.fail()
            if self.levels[number].name == closing["name"]:
                del self.levels[number:]
                self.position = closing.end()
                return None
        return None

    def step_code(self) -> bool:
        """Goes on within code; whether there is anything left."""
        found = _CODE.first(self.document, self.position)
        if not found:
            return False
        match, token, self.position = found
        level = self.levels[-1]
        if match.group() == "{":
            level.braces += 1
        elif match.group() == "}" and level.braces == 0 and len(self.levels) > 1:
            self.levels.pop()
        elif match.group() == "}":
            level.braces = max(0, level.braces - 1)
        elif match.group() == "<":
            if _BEFORE_TAG.search(self.document, max(0, match.start() - 80), match.start()):
                self.tag(match.start())
        elif token and token.form:
            self.tokens.append(token)
        return True


def scan(document: str) -> Sequence[Token]:
    """The tokens of JavaScript with JSX."""
    state = Scan(document)
    while True:
        kind = state.levels[-1].kind
        if kind == "tag":
            state.step_tag()
        elif kind == "text":
            state.step_text()
        elif not state.step_code():
            if len(state.levels) == 1:
                return state.tokens
            while len(state.levels) > 1:
                state.levels.pop()
                state.fail()


SYNTAX = Syntax("JavaScript", scan=scan)
