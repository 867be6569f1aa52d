"""A vocabulary trained on a few hundred pairs: every piece that stands for something is one piece, and no text is lost."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fakes import mini_codec
from hypothesis import given
from hypothesis import strategies as st

from promptopt.codec import END, PAD, Codec
from promptopt.errors import InvalidInput
from promptopt.vocabulary import Vocabulary
from promptopt_training.data import pretraining_pairs
from promptopt_training.golden.layouts import LAYOUTS
from promptopt_training.options import VocabularyOptions
from promptopt_training.records import Pair, write_pairs
from promptopt_training.vocabulary import (
    MASKS,
    POINTERS,
    TABLE,
    control_pieces,
    frame_pieces,
    read_words,
    spelled_lines,
    style_piece,
    vocabulary_from_pairs,
)

SIZE = 1400


@cache
def pairs() -> tuple[Pair, ...]:
    return tuple(pretraining_pairs(300, 0, []))


@cache
def trained() -> tuple[Vocabulary, tuple[str, ...]]:
    """The vocabulary of the command for 300 pairs, and what it logged."""
    lines: list[str] = []
    with TemporaryDirectory() as name:
        data, model = Path(name) / "pairs.jsonl", Path(name) / "deep" / "spiece.model"
        write_pairs(pairs(), data)
        vocabulary_from_pairs(VocabularyOptions(data_path=data, output=model, size=SIZE), lines.append)
        return Vocabulary(model), tuple(line.replace(name, "") for line in lines)


def test_the_vocabulary_has_the_size_asked_for_and_is_where_it_was_asked_for() -> None:
    assert len(trained()[0]) == SIZE
    assert trained()[1] == (f"vocabulary of {SIZE} pieces in /deep/spiece.model",)


def test_padding_and_end_have_the_ids_that_the_codec_knows() -> None:
    assert (trained()[0].id("<pad>"), trained()[0].id("</s>")) == (PAD, END)


def test_control_pieces_name_pointers_styles_and_masks_once_each() -> None:
    pieces = control_pieces()
    assert len(pieces) == len(set(pieces)) == 6 + len(LAYOUTS) + MASKS + POINTERS
    assert {style_piece(style) for style in LAYOUTS} < set(pieces)
    assert set(TABLE.pointers) < set(pieces)


def test_every_control_piece_is_a_piece_that_no_text_spells() -> None:
    vocabulary = trained()[0]
    ids = {vocabulary.id(piece) for piece in control_pieces()}
    assert len(ids) == len(control_pieces())
    assert [piece for piece in control_pieces() if ids & set(vocabulary.encode(piece))] == []
    assert [piece for piece in control_pieces() if vocabulary.decode(vocabulary.encode(piece)) != piece] == []


def test_every_frame_is_one_piece() -> None:
    vocabulary = trained()[0]
    assert [frame for frame in frame_pieces() if len(vocabulary.encode(frame)) != 1] == []


@pytest.mark.parametrize("frame", ["\n", "\n\nTask: ", "\n\nTask:", "\n\nConstraints:\n- ", "\n2. ", ".\n\nContext: ", "\n\nGoal:"])
def test_frames_with_line_breaks_of_the_golden_form_are_single_pieces(frame: str) -> None:
    assert frame in frame_pieces()
    assert len(trained()[0].encode(frame)) == 1


def test_frames_are_what_stands_between_the_parts_of_every_layout() -> None:
    frames = frame_pieces()
    assert frames == sorted(set(frames))
    assert {"\n\n## Task\n", ".</role>\n<context>", "\n\nDone when: ", "\n* ", "\n- [ ] ", "\n3) ", "\n\nTASK\n"} <= set(frames)
    assert not any("\ue000" in frame for frame in frames)


def test_pieces_span_several_words() -> None:
    vocabulary = trained()[0]
    spanning = [vocabulary.piece(index) for index in range(len(vocabulary)) if "▁" in vocabulary.piece(index)[1:]]
    learned = [piece for piece in spanning if piece.replace("▁", " ") not in frame_pieces()]
    assert "▁of▁the" in learned
    assert len(learned) > 50


def test_the_network_spells_neither_frames_nor_the_prompt() -> None:
    pair = Pair("make soup", "Act as a cook.\n\nContext: It is warm.\n\nTask: make soup\n\nConstraints:\n- Use salt.\n\nGoal: Soup.")
    assert list(spelled_lines([pair])) == ["a cook", "It is warm.", "Use salt.", "Soup."]


def test_words_are_read_one_at_a_time_with_the_space_before_them() -> None:
    assert list(read_words(["fix it, `a b`\nnow"])) == [" fix", " it", ", `a b`", " now"]


@given(st.text())
def test_any_text_round_trips_through_the_vocabulary(text: str) -> None:
    vocabulary = trained()[0]
    whole = text.replace("\x00", "").replace("▁", "")
    assert vocabulary.decode(vocabulary.encode(whole)) == whole


@given(st.text(min_size=1), st.text(), st.text())
def test_any_pair_round_trips_through_a_codec_on_the_vocabulary(prompt: str, before: str, after: str) -> None:
    codec = Codec(trained()[0], TABLE)
    rewrite = f"{before}\n\nTask: {prompt}\n\n{after}"
    assert codec.decode(prompt, codec.encode_rewrite(prompt, rewrite)) == rewrite


def test_every_pair_it_was_trained_on_round_trips() -> None:
    codec = Codec(trained()[0], TABLE)
    lost = [pair for pair in pairs() if codec.decode(pair.prompt, codec.encode_rewrite(pair.prompt, pair.rewrite)) != pair.rewrite]
    assert lost == []


def test_with_the_vocabulary_that_ships_a_rewrite_takes_fewer_pieces_than_it_has_words() -> None:
    codec = mini_codec()
    pieces = sum(len(codec.encode_rewrite(pair.prompt, pair.rewrite)) for pair in pairs())
    assert pieces < sum(len(pair.rewrite.split()) for pair in pairs())


def test_a_bad_pair_file_is_refused_and_no_vocabulary_is_written(tmp_path: Path) -> None:
    data, model = tmp_path / "pairs.jsonl", tmp_path / "out" / "spiece.model"
    data.write_text('{"prompt": "a", "rewrite": "b"}\n', encoding="utf-8")
    with pytest.raises(InvalidInput, match="line 1: the rewrite does not contain the prompt"):
        vocabulary_from_pairs(VocabularyOptions(data_path=data, output=model, size=SIZE), print)
    assert not model.parent.exists()


def test_a_size_that_the_pairs_do_not_fill_is_refused_with_the_most_there_can_be(tmp_path: Path) -> None:
    data, model = tmp_path / "pairs.jsonl", tmp_path / "out" / "spiece.model"
    write_pairs(pairs()[:3], data)
    with pytest.raises(InvalidInput) as caught:
        vocabulary_from_pairs(VocabularyOptions(data_path=data, output=model, size=90_000), print)
    assert caught.value.message.startswith("A vocabulary of 90000 pieces cannot be trained: Vocabulary size too high (90000). ")
    assert caught.value.hint == "Give another --size, or more pairs."
    assert not model.parent.exists()
