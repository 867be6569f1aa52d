"""The comments and string literals of a source text, found by looking for what opens one."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

REMEMBERED = 4
"Documents whose tokens are kept: a document and what a rewrite would make of it, for two that are worked on."


@dataclass(frozen=True)
class Comment:
    """How a comment is written.

    line: each line has its leader (`#`); otherwise one opener and one closer stand around all of it.
    starred: further lines of a block conventionally begin with ` * `.
    """

    name: str
    line: bool
    starred: bool = False


@dataclass(frozen=True)
class Notation:
    """How a string literal spells its value.

    special: escapes, and the beginnings of fields.  decode: the value of an escape; raises ValueError for one it does not know.
    encode: the spelling of a text.  field_end: where the field that begins at an offset ends (`{x}` of an f-string, `$x` in a shell);
    None where none begins there.  multiline: line breaks stand for themselves.  edges: characters that are escaped at the ends of
    a text, where they could join with what stands there.  folds: a line break is written as a blank line, as in YAML.
    refused: why no text in it can be rewritten; empty when it can.
    """

    name: str
    special: re.Pattern[str] | None
    decode: Callable[[str], str]
    encode: Callable[[str], str]
    field_end: Callable[[str, int], int | None] | None = None
    multiline: bool = False
    edges: str = ""
    folds: bool = False
    refused: str = ""


class Token(NamedTuple):
    """A comment or a literal: `document[start:end]`, its text `document[text_start:text_end]`; `form` is None for what is skipped.

    A text in another language has that one's syntax for its form; its tokens are found in its place.
    prefix: what begins each further line of the text and is not part of it (a YAML block scalar).
    """

    start: int
    text_start: int
    text_end: int
    end: int
    form: "Comment | Notation | Syntax | None"
    prefix: str = ""


Close = Callable[[str, "re.Match[str]"], Token | None]


@dataclass(frozen=True)
class Opener:
    """A pattern without named groups, and what ends the token that begins where it matches; None when nothing does."""

    pattern: str
    close: Close


@dataclass(frozen=True, eq=False)
class Syntax:
    """The comments and literals of a language.

    scan: what finds the tokens of a document in order where its openers alone cannot tell them; None where they can.
    """

    name: str
    openers: Sequence[Opener] = field(default=())
    scan: "Callable[[str], Iterable[Token]] | None" = None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(f"(?P<o{number}>{opener.pattern})" for number, opener in enumerate(self.openers)), re.MULTILINE)

    def tokens(self, document: str) -> Sequence[Token]:
        """The tokens of `document` in order; remembered for the last few documents. An opener that nothing closes is passed over."""
        return _tokens(self, document)

    def find(self, document: str) -> Iterator[Token]:
        """The tokens of `document` in order."""
        if self.scan:
            yield from self.scan(document)
            return
        position = 0
        while found := self.first(document, position):
            _, token, position = found
            if token and isinstance(token.form, Syntax):
                for inner in token.form.find(document[token.text_start : token.text_end]):
                    yield shifted(inner, token.text_start)
            elif token and token.form:
                yield token

    def first(self, document: str, position: int) -> "tuple[re.Match[str], Token | None, int] | None":
        """What opens first from `position` on, the token it begins if anything ends that, and where to go on; None where nothing opens."""
        if not self.openers or not (match := self._pattern.search(document, position)):
            return None
        assert match.lastgroup is not None
        token = self.openers[int(match.lastgroup[1:])].close(document, match)
        return match, token, max(token.end if token else match.end(), match.start() + 1)


def shifted(token: Token, offset: int) -> Token:
    """The token in a text within which its own begins at `offset`."""
    start, text_start, text_end, end = (place + offset for place in token[:4])
    return Token(start, text_start, text_end, end, token.form, token.prefix)


@lru_cache(maxsize=REMEMBERED)
def _tokens(syntax: Syntax, document: str) -> Sequence[Token]:
    return tuple(syntax.find(document))


def line_comment(leader: str, name: str = "comment", ends: str = r"\r\n") -> Opener:
    """A comment from `leader`, a pattern, to the end of its line."""
    form, end_of_line = Comment(name, line=True), re.compile(f"[{ends}]|\\Z")

    def close(document: str, match: re.Match[str]) -> Token | None:
        found = end_of_line.search(document, match.end())
        end = found.start() if found else len(document)
        return Token(match.start(), match.end(), end, end, form)

    return Opener(leader, close)


def block_comment(opener: str, closer: str, *, starred: bool = False, nested: str = "") -> Opener:
    """A comment from `opener`, a pattern, to the text `closer`; a comment within it begins with the text `nested`, if they nest."""
    form = Comment("comment", line=False, starred=starred)
    edge = re.compile("|".join(re.escape(text) for text in (closer, nested) if text))

    def close(document: str, match: re.Match[str]) -> Token | None:
        depth = 1
        for found in edge.finditer(document, match.end()):
            depth += 1 if found.group() == nested else -1
            if depth == 0:
                return Token(match.start(), match.end(), found.start(), found.end(), form)
        return None

    return Opener(opener, close)


def quoted(opener: str, closer: str, notation: Notation) -> Opener:
    """A literal from `opener`, a pattern, to the text `closer`; what is special in its notation does not end it."""
    parts = [notation.special.pattern] if notation.special else []
    parts += [re.escape(closer), *([] if notation.multiline else [r"[\r\n]"])]
    stop = re.compile("|".join(f"(?:{part})" for part in parts), re.DOTALL)

    def close(document: str, match: re.Match[str]) -> Token | None:
        position = match.end()
        while found := stop.search(document, position):
            if found.group() == closer:
                return Token(match.start(), match.end(), found.start(), found.end(), notation)
            if found.group() in ("\r", "\n") and not notation.multiline:
                return None
            after = notation.field_end(document, found.start()) if notation.field_end else None
            position = after or found.end()
        return None

    return Opener(opener, close)


def skipped(pattern: str) -> Opener:
    """Something that is neither comment nor string but may look like the beginning of one."""
    return Opener(pattern, lambda document, match: Token(match.start(), match.end(), match.end(), match.end(), None))
