"""Positions of the protocol and offsets into a text: lines end at LF, CRLF or CR only, columns count code units of the agreed encoding."""

import re
from bisect import bisect_left

from lsprotocol import types

_LINE_END = re.compile(r"\r\n|\n|\r")


def offset_at(text: str, position: types.Position, encoding: str) -> int:
    """The offset of `position` in `text`; past the end of its line it is the line's end, past the last line the text's end."""
    start = _line_start(text, position.line)
    if start is None:
        return len(text)
    end = _LINE_END.search(text, start)
    line = text[start : end.start() if end else len(text)]
    return start + bisect_left(range(len(line)), position.character, key=lambda count: _width(line[:count], encoding))


def position_at(text: str, offset: int, encoding: str) -> types.Position:
    """The position of `offset` in `text`."""
    line, start = 0, 0
    for end in _LINE_END.finditer(text):
        if end.end() > offset:
            break
        line, start = line + 1, end.end()
    return types.Position(line, _width(text[start:offset], encoding))


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


def _width(text: str, encoding: str) -> int:
    """How many code units a text takes: bytes in UTF-8, one or two for each character in UTF-16, one in UTF-32."""
    if encoding == types.PositionEncodingKind.Utf8:
        return len(text.encode("utf-8", errors="surrogatepass"))
    if encoding == types.PositionEncodingKind.Utf16:
        return len(text.encode("utf-16-le", errors="surrogatepass")) // 2
    return len(text)
