"""Exact pieces in, exact text out."""

from pathlib import Path

import pytest
from fakes import vocabulary
from hypothesis import given
from hypothesis import strategies as st

from promptopt.bundle import base_folder
from promptopt.errors import BundleError
from promptopt.vocabulary import Vocabulary

MINI = vocabulary()
FILE = base_folder("promptopt-mini", ("spiece.model",)) / "spiece.model"
ORDINARY = st.text(st.characters(exclude_characters="\u2581", exclude_categories=["Cs"]))


def with_sentinels(extra_ids: int = 100) -> Vocabulary:
    return Vocabulary(FILE, extra_ids)


def test_it_has_as_many_pieces_as_the_model() -> None:
    assert len(MINI) == 20_736


@pytest.mark.parametrize(("index", "piece"), [(0, "<pad>"), (1, "</s>"), (2, "<unk>"), (3, "<prompt>")])
def test_the_first_ids_are_those_of_a_t5(index: int, piece: str) -> None:
    assert (MINI.piece(index), MINI.id(piece)) == (piece, index)


def test_every_piece_has_its_id_and_every_id_its_piece() -> None:
    assert [MINI.id(MINI.piece(index)) for index in range(len(MINI))] == list(range(len(MINI)))


@given(ORDINARY)
def test_text_comes_back_exactly(text: str) -> None:
    assert MINI.decode(MINI.encode(text)) == text


@pytest.mark.parametrize(
    "text", ["a  b", " lead", "trail ", "\t{x}\r\n", "a\0b", "\ufffd", "ﬁ ½ é e\u0301", "<unk>", "</s>", "<0x41>", "<prompt>", "<w0>"]
)
def test_nothing_is_folded_or_taken_for_a_piece(text: str) -> None:
    assert MINI.decode(MINI.encode(text)) == text


@given(ORDINARY)
def test_text_never_encodes_to_a_control_piece(text: str) -> None:
    assert [index for index in MINI.encode(text) if index < MINI.id("\n")] == []


def test_a_character_without_a_piece_is_spelled_by_its_bytes() -> None:
    assert [MINI.piece(index) for index in MINI.encode("😀")] == ["<0xF0>", "<0x9F>", "<0x98>", "<0x80>"]


def test_text_is_encoded_as_in_the_middle_of_a_line() -> None:
    assert [MINI.piece(index) for index in MINI.encode("x")] == ["x"]
    assert MINI.piece(MINI.encode(" the")[0])[0] == "\u2581"


def test_bytes_that_are_no_character_become_a_replacement() -> None:
    assert MINI.decode([MINI.id("<0xF0>"), MINI.id("<0x9F>"), MINI.id("x")]) == "\ufffdx"
    assert MINI.decode([MINI.id("<0x80>")]) == "\ufffd"


def test_the_first_bytes_of_a_character_wait_for_the_others() -> None:
    ids = MINI.encode("a😀")
    assert [MINI.decode(ids[:count], final=False) for count in range(1, 6)] == ["a", "a", "a", "a", "a😀"]
    assert MINI.decode(ids[:3]) == "a\ufffd"


def test_lone_surrogates_are_read_as_question_marks() -> None:
    assert MINI.decode(MINI.encode("a\ud83d b\ude00")) == "a? b?"


def test_control_pieces_and_unknown_ids_spell_nothing() -> None:
    x = MINI.id("x")
    assert MINI.decode([0, x, 1, 2, x, MINI.id("<prompt>"), MINI.id("<w7>"), 20_736, 21_000]) == "xx"


@pytest.mark.parametrize("piece", ["<nowhere>", "", "<extra_id_0>", "zzzzqq", "\u2581\u2581\u2581no"])
def test_an_unknown_piece_is_named(piece: str) -> None:
    with pytest.raises(BundleError) as caught:
        MINI.id(piece)
    assert caught.value.message == f"The vocabulary has no piece {piece!r}."


def test_sentinels_follow_the_pieces_with_the_first_at_the_end() -> None:
    known = with_sentinels()
    assert len(known) == 20_836
    assert [known.id("<extra_id_0>"), known.id("<extra_id_1>"), known.id("<extra_id_99>")] == [20_835, 20_834, 20_736]
    assert [known.piece(20_835), known.piece(20_834), known.piece(20_736)] == ["<extra_id_0>", "<extra_id_1>", "<extra_id_99>"]


def test_sentinels_leave_the_other_pieces_alone() -> None:
    known = with_sentinels()
    assert known.encode("Write a test.") == MINI.encode("Write a test.")
    assert (known.piece(8191), known.id("<prompt>")) == (MINI.piece(8191), 3)


def test_sentinels_spell_nothing() -> None:
    known = with_sentinels()
    assert known.decode([known.id("x"), known.id("<extra_id_0>"), known.id("<extra_id_99>"), known.id("x")]) == "xx"


@pytest.mark.parametrize("piece", ["<extra_id_100>", "<extra_id_>", "<extra_id_x>", "<extra_id_-1>", "<extra_id_1", "<extra_id_1>>"])
def test_a_sentinel_beyond_the_last_or_misspelled_is_unknown(piece: str) -> None:
    with pytest.raises(BundleError, match="has no piece"):
        with_sentinels().id(piece)


def unreadable(folder: Path, content: bytes | None) -> Path:
    path = folder / "spiece.model"
    if content is not None:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [None, b"not a model", b"\xff" * 100, FILE.read_bytes()[:5000]])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = unreadable(tmp_path, content)
    with pytest.raises(BundleError) as caught:
        Vocabulary(path)
    assert caught.value.message == f"The vocabulary {path} cannot be read."


def test_an_empty_file_is_no_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        Vocabulary(unreadable(tmp_path, b""))
