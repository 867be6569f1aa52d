"""Positions and offsets, against a model that works on encoded bytes instead of counting."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from lsprotocol import types

from promptopt.lsp.positions import offset_at, position_at, range_at

UTF8, UTF16, UTF32 = types.PositionEncodingKind.Utf8, types.PositionEncodingKind.Utf16, types.PositionEncodingKind.Utf32
ENCODINGS = (UTF8, UTF16, UTF32)
CODECS = {UTF8: ("utf-8", 1), UTF16: ("utf-16-le", 2), UTF32: ("utf-32-le", 4)}
TEXTS = st.text(alphabet=st.sampled_from("ab é\t\n\r\f\v\u0085\u2028\u2029😀🧑‍💻\u0301漢"), max_size=40)
ENCODING = st.sampled_from(ENCODINGS)


def model_lines(text: str) -> list[str]:
    """Lines with their ends, as the protocol has them."""
    marked = text.replace("\r\n", "\0").replace("\r", "\1").replace("\n", "\2")
    lines = [""]
    for character in marked:
        lines[-1] += {"\0": "\r\n", "\1": "\r", "\2": "\n"}.get(character, character)
        if character in "\0\1\2":
            lines.append("")
    return lines


def model_position(text: str, offset: int, encoding: str) -> types.Position:
    """The position found by encoding what is ahead of it."""
    codec, unit = CODECS[types.PositionEncodingKind(encoding)]
    for number, line in enumerate(model_lines(text)):
        if offset < len(line) or number == len(model_lines(text)) - 1:
            return types.Position(number, len(line[:offset].encode(codec)) // unit)
        offset -= len(line)
    raise AssertionError("unreachable")


def model_offset(text: str, position: types.Position, encoding: str) -> int:
    """The offset found by decoding as many code units as the position says; for positions between characters."""
    codec, unit = CODECS[types.PositionEncodingKind(encoding)]
    lines = model_lines(text)
    if position.line >= len(lines):
        return len(text)
    line = lines[position.line].rstrip("\r\n")
    return sum(map(len, lines[: position.line])) + len(line.encode(codec)[: position.character * unit].decode(codec))


def inside_line_break(text: str, offset: int) -> bool:
    return text[offset - 1 : offset + 1] == "\r\n" and offset > 0


@pytest.mark.parametrize(("encoding", "column"), [(UTF8, 7), (UTF16, 4), (UTF32, 3)])
def test_a_column_counts_code_units_of_the_agreed_encoding(encoding: str, column: int) -> None:
    text = "é😀ax"
    assert position_at(text, 3, encoding) == types.Position(0, column)
    assert offset_at(text, types.Position(0, column), encoding) == 3


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 7), ("utf-16", 4), ("utf-32", 3)])
def test_an_encoding_may_be_given_by_its_plain_name(encoding: str, column: int) -> None:
    assert position_at("é😀ax", 3, encoding) == types.Position(0, column)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\f", "\v", "\u0085", "\x1c", "\x1e"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_python_takes_for_a_line_break_and_the_protocol_does_not_stays_in_its_line(separator: str, encoding: str) -> None:
    text = f"a{separator}b\nc"
    assert position_at(text, 4, encoding) == types.Position(1, 0)
    assert offset_at(text, types.Position(1, 0), encoding) == 4
    assert position_at(text, 2, UTF32) == types.Position(0, 2)


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("ab\r\ncd", 4, types.Position(1, 0)),
        ("ab\r\ncd", 2, types.Position(0, 2)),
        ("ab\rcd", 3, types.Position(1, 0)),
        ("ab\r\rcd", 4, types.Position(2, 0)),
        ("ab\n\rcd", 4, types.Position(2, 0)),
        ("ab\n", 3, types.Position(1, 0)),
        ("", 0, types.Position(0, 0)),
        ("ab", 2, types.Position(0, 2)),
    ],
)
def test_lines_end_at_crlf_cr_and_lf(text: str, offset: int, expected: types.Position) -> None:
    assert position_at(text, offset, UTF16) == expected
    assert offset_at(text, expected, UTF16) == offset


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("text", "position", "offset"),
    [
        ("ab\ncd\n", types.Position(0, 99), 2),
        ("ab\r\ncd\r\n", types.Position(0, 99), 2),
        ("ab\rcd", types.Position(0, 3), 2),
        ("ab\ncd", types.Position(1, 99), 5),
        ("ab\ncd", types.Position(1, 3), 5),
        ("ab\ncd", types.Position(2, 0), 5),
        ("ab\ncd\n", types.Position(2, 7), 6),
        ("ab\ncd\n", types.Position(99, 0), 6),
        ("", types.Position(0, 5), 0),
        ("", types.Position(3, 0), 0),
    ],
)
def test_a_position_past_an_end_is_that_end(text: str, position: types.Position, offset: int, encoding: str) -> None:
    assert offset_at(text, position, encoding) == offset


@pytest.mark.parametrize(("encoding", "column"), [(UTF8, 1), (UTF8, 3), (UTF16, 1)])
def test_a_position_within_a_character_never_splits_it(encoding: str, column: int) -> None:
    assert offset_at("😀b", types.Position(0, column), encoding) in (0, 1)
    assert offset_at("a\n😀", types.Position(1, column), encoding) in (2, 3)


def test_a_range_has_the_positions_of_both_ends() -> None:
    assert range_at("é\r\n😀b", 1, 4, UTF16) == types.Range(types.Position(0, 1), types.Position(1, 2))
    assert range_at("é\r\n😀b", 1, 4, UTF8) == types.Range(types.Position(0, 2), types.Position(1, 4))


@given(TEXTS, st.integers(0, 40), ENCODING)
@example("a\r\nb", 3, UTF16)
@example("a\u2028b\n", 4, UTF8)
def test_offset_at_undoes_position_at(text: str, offset: int, encoding: str) -> None:
    offset = min(offset, len(text))
    assume(not inside_line_break(text, offset))
    assert offset_at(text, position_at(text, offset, encoding), encoding) == offset


@given(TEXTS, st.integers(0, 40), ENCODING)
def test_position_at_agrees_with_the_model(text: str, offset: int, encoding: str) -> None:
    offset = min(offset, len(text))
    assume(not inside_line_break(text, offset))
    assert position_at(text, offset, encoding) == model_position(text, offset, encoding)


@given(TEXTS, st.integers(0, 45), st.integers(0, 10), ENCODING)
def test_offset_at_agrees_with_the_model_for_positions_between_characters(text: str, line: int, character: int, encoding: str) -> None:
    lines = model_lines(text)
    codec, unit = CODECS[types.PositionEncodingKind(encoding)]
    ahead = lines[min(line, len(lines) - 1)][:character].rstrip("\r\n")
    position = types.Position(line, len(ahead.encode(codec)) // unit)
    assert offset_at(text, position, encoding) == model_offset(text, position, encoding)


@given(TEXTS, st.integers(0, 45), st.integers(0, 400), ENCODING)
def test_every_position_has_an_offset_on_its_own_line(text: str, line: int, character: int, encoding: str) -> None:
    lines = model_lines(text)
    offset = offset_at(text, types.Position(line, character), encoding)
    if line >= len(lines):
        assert offset == len(text)
    else:
        start = sum(map(len, lines[:line]))
        assert start <= offset <= start + len(lines[line].rstrip("\r\n"))
