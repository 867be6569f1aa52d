"""Ten thousand random edits: client and server hold the same text, and mean the same place by a position."""

import random

import pytest
from lsprotocol import types
from pygls.workspace import TextDocument

from promptopt.lsp.positions import offset_at, range_at

ENCODINGS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
PIECES = [
    "a",
    "bc ",
    "\n",
    "\r\n",
    "\r",
    "é",
    "漢字",
    "😀",
    "🧑\u200d💻",
    "\u2028",
    "\u2029",
    "\f",
    "\v",
    "\u0085",
    "\x1c",
    "\t",
    "\u0301",
    "",
]
EDITS = 10_000


def client_position(text: str, offset: int, encoding: str) -> types.Position:
    """As a client counts: lines by CRLF, LF and CR, columns by encoding what is ahead."""
    codec, unit = ENCODINGS[encoding]
    ahead = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    line = ahead.rpartition("\n")[2]
    return types.Position(ahead.count("\n"), len(line.encode(codec)) // unit)


def client_offset(text: str, position: types.Position, encoding: str) -> int:
    """Where a client sets a position that the server sent."""
    codec, unit = ENCODINGS[encoding]
    start = 0
    for _ in range(position.line):
        ends = [(text.find(end, start), len(end)) for end in ("\r\n", "\n", "\r") if text.find(end, start) >= 0]
        place, length = min(ends, key=lambda end: (end[0], -end[1]))
        start = place + length
    return start + len(text[start:].encode(codec)[: position.character * unit].decode(codec))


def between(text: str, offset: int) -> int:
    """`offset`, or the one before it where it would lie within a CRLF."""
    return offset - (text[max(0, offset - 1) : offset + 1] == "\r\n")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_after_any_edit_both_sides_have_the_same_text_and_places(encoding: str) -> None:
    dice = random.Random(encoding)
    document = TextDocument("file:///a.md", "", version=0)
    text = ""
    for version in range(1, EDITS // len(ENCODINGS) + 2):
        start, end = sorted(between(text, dice.randint(0, len(text))) for _ in range(2))
        end = end if len(text) > 120 else between(text, min(end, start + 3))
        text = text[:start] + "".join(dice.choices(PIECES, k=dice.randint(0, 4))) + text[end:]
        document.apply_change(types.TextDocumentContentChangeWholeDocument(text))
        document.version = version
        assert document.source == text
        first, last = sorted(between(text, dice.randint(0, len(text))) for _ in range(2))
        sent = [client_position(text, offset, encoding) for offset in (first, last)]
        assert [offset_at(document.source, position, encoding) for position in sent] == [first, last]
        answered = range_at(document.source, first, last, encoding)
        assert [client_offset(text, position, encoding) for position in (answered.start, answered.end)] == [first, last]
