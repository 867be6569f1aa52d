"""Positions of the protocol and offsets into a text: lines end at LF, CRLF or CR only, columns count code units of the agreed encoding."""

import re

from lsprotocol import types

_LINE_END = re.compile(r"\r\n|\n|\r")


def offset_at(text: str, position: types.Position, encoding: str) -> int:
    """The offset of `position` in `text`; past the end of its line it is the line's end, past the last line the text's end."""
    start = _line_start(text, position.line)
    if start is None:
        return len(text)
    end = _LINE_END.search(text, start)
    line = text[start : end.start() if end else len(text)]
    left = position.character
    for number, character in enumerate(line):
        if left <= 0:
            return start + number
        left -= _width(character, encoding)
    return start + len(line)


def position_at(text: str, offset: int, encoding: str) -> types.Position:
    """The position of `offset` in `text`."""
    line, start = 0, 0
    for end in _LINE_END.finditer(text):
        if end.end() > offset:
            break
        line, start = line + 1, end.end()
    return types.Position(line, sum(_width(character, encoding) for character in text[start:offset]))


def range_at(text: str, start: int, end: int, encoding: str) -> types.Range:
    """The range from offset `start` to offset `end`."""
    return types.Range(position_at(text, start, encoding), position_at(text, end, encoding))


def _line_start(text: str, line: int) -> int | None:
    if line == 0:
        return 0
    for number, end in enumerate(_LINE_END.finditer(text), start=1):
        if number == line:
            return end.end()
    return None


def _width(character: str, encoding: str) -> int:
    """How many code units a character takes: bytes in UTF-8, one or two in UTF-16, one in UTF-32."""
    if encoding == types.PositionEncodingKind.Utf8:
        return len(character.encode("utf-8", errors="surrogatepass"))
    if encoding == types.PositionEncodingKind.Utf16:
        return 2 if ord(character) > 0xFFFF else 1
    return 1
