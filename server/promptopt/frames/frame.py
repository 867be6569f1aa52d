"""A selection with its frame: which text it means, and how a rewrite of that text goes back into the very same place."""

from collections.abc import Sequence
from dataclasses import dataclass

from promptopt.errors import InvalidInput
from promptopt.frames import yaml
from promptopt.frames.comments import read_block_comment, read_line_comments
from promptopt.frames.languages import MARKDOWN, language_of, syntax_of
from promptopt.frames.lines import Reading, line_start, read_text
from promptopt.frames.literals import read_literal
from promptopt.frames.markdown import fence_around, read_fenced, read_markdown
from promptopt.frames.tokens import Comment, Notation, Token


@dataclass(frozen=True)
class Frame:
    """The selection `document[start:end]` of a text in `language` and what it means: `prompt`, with LF line ends."""

    document: str
    language: str
    start: int
    end: int
    reading: Reading

    @property
    def prompt(self) -> str:
        """The selected text without leaders, indentation, quotes and escapes."""
        return self.reading.prompt

    def fit(self, rewrite: str) -> str:
        """What takes the place of the selection so that it means `rewrite`. Raises InvalidInput when nothing can."""
        reading = self.reading
        try:
            inner = reading.write(rewrite)
        except ValueError as error:
            raise self._refusal(str(error)) from error
        text = reading.head + inner + reading.tail
        after = self.document[: self.start] + text + self.document[self.end :]
        first = self.start + len(reading.head)
        try:
            again = read(after, self.language, first, first + len(inner))
        except InvalidInput as error:
            raise self._refusal(f"it would end the {reading.place[0]}") from error
        if again.place != reading.place or "\0" in inner:
            raise self._refusal(f"it would end the {reading.place[0]}")
        if reading.exact and (again.prompt != rewrite or not again.fields <= reading.fields):
            raise self._refusal("it would mean something else there")
        return text

    def _refusal(self, reason: str) -> InvalidInput:
        return InvalidInput(
            f"The rewrite cannot stand in the {self.reading.place[0]}: {reason}.", "Move the prompt into another kind of string, or a file."
        )


def frame_of(document: str, language: str, name: str, start: int, end: int) -> Frame:
    """The frame of `document[start:end]`, a text without white space around it.

    `language` is the identifier that the protocol has for it, `name` the file's name; either may be unknown. Raises InvalidInput when
    what is selected has no one meaning: a part of an escape, one quote of two, a piece of a comment with code behind it.
    """
    language = language_of(language, name)
    return Frame(document, language, start, end, read(document, language, start, end))


def widened(document: str, language: str, name: str, offset: int) -> tuple[int, int] | None:
    """Start and end of the text of the comment or the string at `offset`, a line comment's end included; None where none is."""
    syntax = syntax_of(language_of(language, name))
    if syntax is None:
        return None
    tokens = syntax.tokens(document)
    for number, token in enumerate(tokens):
        line = isinstance(token.form, Comment) and token.form.line
        if token.start <= offset < token.end or (line and offset == token.end):  # nothing but the line's end can follow
            return run_around(document, tokens, number) if line else (token.text_start, token.text_end)
    return None


def run_around(document: str, tokens: Sequence[Token], number: int) -> tuple[int, int]:
    """Start and end of the line comments on consecutive lines around `tokens[number]`."""

    def joined(one: Token, other: Token) -> bool:
        between = document[one.end : other.start]
        own_line = not document[line_start(document, other.start) : other.start].strip()
        return other.form == one.form and own_line and not between.strip() and between.replace("\r\n", "\n").count("\n") <= 1

    first = last = number
    while first > 0 and joined(tokens[first - 1], tokens[first]):
        first -= 1
    while last + 1 < len(tokens) and joined(tokens[last], tokens[last + 1]):
        last += 1
    return tokens[first].start, tokens[last].end


def read(document: str, language: str, start: int, end: int) -> Reading:
    """What `document[start:end]` means in its language. Raises InvalidInput as `frame_of` does."""
    if language in MARKDOWN:
        return read_in_markdown(document, start, end)
    touched = tokens_touched(document, language, start, end)
    if not touched:
        return yaml.read_plain(document, start, end) if syntax_of(language) is yaml.SYNTAX else read_text(document, start, end)
    first, last = touched[0], touched[-1]
    if all(isinstance(token.form, Comment) and token.form.line for token in touched) and start >= first.start and end <= last.end:
        return read_line_comments(document, touched, start, end)
    if start <= first.start and last.end <= end and (len(touched) > 1 or (start, end) != (first.start, first.end)):
        return read_text(document, start, end)
    if len(touched) > 1 or start < first.start or end > first.end:
        raise InvalidInput("The selection begins or ends in the middle of a string or comment.", "Select the text of one, or all of it.")
    if isinstance(first.form, Notation):
        return read_literal(document, first, first.form, start, end)
    assert isinstance(first.form, Comment)
    return read_block_comment(document, first, first.form, start, end)


def tokens_touched(document: str, language: str, start: int, end: int) -> list[Token]:
    """The strings and comments that `document[start:end]` is, lies in or takes a part of; none in prose."""
    syntax = syntax_of(language)
    return [token for token in syntax.tokens(document) if token.start < end and start < token.end] if syntax else []


def read_in_markdown(document: str, start: int, end: int) -> Reading:
    """What a selection in Markdown means; in a fenced block that says its language, what it means in that."""
    fence = fence_around(document, start, end)
    if fence is None:
        return read_markdown(document, start, end)
    language, shift = language_of(fence.language, ""), fence.start
    code = document[fence.start : fence.end]
    if fence.lead.strip() or not fence.language:
        if fence.language and in_token(code, language, start - shift, end - shift):
            raise InvalidInput(
                "The selection is in a string or comment of a code block within a list or a quotation.",
                "Move the code block out of it, or the prompt.",
            )
        return read_fenced(document, fence, start, end)
    reading, rest = read(code, language, start - shift, end - shift), len(document) - fence.end
    name, before, behind = reading.place
    place = ("fence", shift, rest) if name == "text" else (name, before + shift, behind + rest)
    return Reading(reading.prompt, reading.write, place, reading.head, reading.tail, reading.exact, reading.fields)


def in_token(code: str, language: str, start: int, end: int) -> bool:
    """Whether `code[start:end]` is a string or a comment or has only a part of one."""
    touched = tokens_touched(code, language, start, end)
    return any(start > token.start or token.end > end or (start, end) == (token.start, token.end) for token in touched)
