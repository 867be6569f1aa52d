"""The comments and literals of a document are looked for once."""

import re

from promptopt.frames.lines import line_start
from promptopt.frames.tokens import REMEMBERED, Comment, Opener, Syntax, Token

DOCUMENT = "a #b\nc #(d)\n"


class Counted:
    """A syntax of line comments with groups in their patterns, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.syntax = Syntax("", [Opener("(?:(#)(?!b))", self.close), Opener("((#)b)", self.close)])

    def close(self, document: str, match: re.Match[str]) -> Token:
        self.asked += 1
        end = document.index("\n", match.end())
        return Token(match.start(), match.end(), end, end, Comment("comment", line=True))


def test_a_document_is_looked_through_once() -> None:
    counted = Counted()
    found = counted.syntax.tokens(DOCUMENT)
    assert [DOCUMENT[token.start : token.end] for token in found] == ["#b", "#(d)"]
    assert counted.syntax.tokens("".join(DOCUMENT)) is found
    assert counted.asked == 2
    assert [token.end for token in counted.syntax.tokens("\n" + DOCUMENT)] == [5, 12]
    assert counted.asked == 4


def test_languages_have_tokens_of_their_own() -> None:
    one, other = Counted(), Counted()
    assert one.syntax.tokens(DOCUMENT) == other.syntax.tokens(DOCUMENT)
    assert (one.asked, other.asked) == (2, 2)


def test_only_the_last_few_documents_are_kept() -> None:
    counted = Counted()
    for number in range(REMEMBERED + 1):
        counted.syntax.tokens(DOCUMENT + "\n" * number)
    counted.syntax.tokens(DOCUMENT)
    assert counted.asked == 2 * (REMEMBERED + 2)


def test_a_line_begins_behind_any_line_end() -> None:
    text = "ab\ncd\r\nef\rgh"
    assert [line_start(text, offset) for offset in range(len(text) + 1)] == [0, 0, 0, 3, 3, 3, 6, 7, 7, 7, 10, 10, 10]
