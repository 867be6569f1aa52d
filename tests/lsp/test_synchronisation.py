"""Ten thousand random edits: client and server hold the same text, and mean the same place by a position."""

import random

import pytest
from lsprotocol import types
from processes import FAKE, URI, answer_to, ended, initialized, send, started
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


def edited(text: str, dice: random.Random) -> str:
    """`text` with a few of its characters replaced by others."""
    start, end = sorted(between(text, dice.randint(0, len(text))) for _ in range(2))
    end = end if len(text) > 120 else between(text, min(end, start + 3))
    return text[:start] + "".join(dice.choices(PIECES, k=dice.randint(0, 4))) + text[end:]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_after_any_edit_both_sides_have_the_same_text_and_places(encoding: str) -> None:
    dice = random.Random(encoding)
    document = TextDocument("file:///a.md", "", version=0)
    text = ""
    for version in range(1, EDITS // len(ENCODINGS) + 2):
        text = edited(text, dice)
        document.apply_change(types.TextDocumentContentChangeWholeDocument(text))
        document.version = version
        assert document.source == text
        first, last = sorted(between(text, dice.randint(0, len(text))) for _ in range(2))
        sent = [client_position(text, offset, encoding) for offset in (first, last)]
        assert [offset_at(document.source, position, encoding) for position in sent] == [first, last]
        answered = range_at(document.source, first, last, encoding)
        assert [client_offset(text, position, encoding) for position in (answered.start, answered.end)] == [first, last]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_client_and_the_process_hold_the_same_text_after_any_edit(encoding: str) -> None:
    dice = random.Random(encoding)
    text, number, offered = "", 2, 0
    with started([*FAKE, "--stdio"]) as process:
        initialized(process, capabilities={"general": {"positionEncodings": [encoding]}})
        for version in range(2, EDITS // len(ENCODINGS) + 3):
            text = edited(text, dice)
            change = {"textDocument": {"uri": URI, "version": version}, "contentChanges": [{"text": text}]}
            send(process, method="textDocument/didChange", params=change)
            if version % 20 and version <= EDITS // len(ENCODINGS):
                continue
            number += 2
            send(process, id=number, method="test/document", params={"uri": URI})
            assert answer_to(process, number)["result"] == text
            first, last = sorted(between(text, dice.randint(0, len(text))) for _ in range(2))
            ends = [client_position(text, offset, encoding) for offset in (first, last)]
            selection = {name: {"line": at.line, "character": at.character} for name, at in zip(("start", "end"), ends, strict=True)}
            asked = {"textDocument": {"uri": URI}, "range": selection, "context": {"diagnostics": []}}
            send(process, id=number + 1, method="textDocument/codeAction", params=asked)
            actions = answer_to(process, number + 1)["result"]
            if last - first > 1 and text[first:last].strip() and text[first:last] != "\r\n":
                (request,) = actions[0]["command"]["arguments"]
                assert (request["version"], request["text"]) == (version, text[first:last].strip())
                assert text[first : request["start"]].strip() == ""
                offered += 1
        assert ended(process, number + 2)[0] == 0
    assert offered > 100
