"""A vocabulary trained on a few hundred pairs: every piece that stands for something is one piece, and no text is lost."""

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fakes import mini_codec
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2 as model_format

from promptopt.codec import END, PAD, RARE, Codec
from promptopt.errors import InvalidInput
from promptopt.vocabulary import Vocabulary
from promptopt_training.data import pretraining_pairs
from promptopt_training.golden.knowledge import entries
from promptopt_training.golden.layouts import LAYOUTS
from promptopt_training.options import VocabularyOptions
from promptopt_training.records import Pair, write_pairs
from promptopt_training.vocabulary import (
    MASKS,
    POINTERS,
    RAREST,
    TABLE,
    common_words,
    control_pieces,
    frame_pieces,
    read_words,
    renewed,
    seed_pieces,
    spelled_lines,
    style_piece,
    train_vocabulary,
    vocabulary_from_pairs,
    with_words,
)

SIZE, WORDS = 1400, 60


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
        vocabulary_from_pairs(VocabularyOptions(data_path=data, output=model, size=SIZE, words=WORDS), lines.append)
        return Vocabulary(model), tuple(line.replace(name, "") for line in lines)


def test_the_vocabulary_has_the_size_asked_for_and_is_where_it_was_asked_for() -> None:
    assert len(trained()[0]) == SIZE + WORDS
    assert trained()[1] == (f"vocabulary of {SIZE + WORDS} pieces in /deep/spiece.model",)


def saved(model: bytes, folder: Path) -> Vocabulary:
    (folder / "spiece.model").write_bytes(model)
    return Vocabulary(folder / "spiece.model")


@cache
def small() -> bytes:
    return train_vocabulary(list(spelled_lines(pairs()[:60])), ["so"], 650)


def test_words_that_would_be_put_together_become_pieces_and_the_text_stays_the_same(tmp_path: Path) -> None:
    before = saved(small(), tmp_path)
    after = saved(with_words(small(), ["hedgehogs", "the", "zither", "unused"], 2), tmp_path)
    assert len(after) == len(before) + 2
    for word in ("hedgehogs", "zither"):
        assert len(before.encode(" " + word)) > 1
        [index] = after.encode(" " + word)
        assert after.score(index) == RARE
        assert after.decode([index]) == " " + word


def test_lines_are_spelled_as_before_where_no_new_word_stands_in_them(tmp_path: Path) -> None:
    lines = [line for line in spelled_lines(pairs()[:60]) if "hedgehogs" not in line]
    before = [saved(small(), tmp_path).encode(line) for line in lines]
    assert [saved(with_words(small(), ["hedgehogs"], 1), tmp_path).encode(line) for line in lines] == before


def test_a_word_that_is_read_as_a_word_and_its_ending_is_no_new_piece(tmp_path: Path) -> None:
    vocabulary = saved(small(), tmp_path)
    stems = [vocabulary.piece(index)[1:] for index in range(len(vocabulary)) if re.fullmatch("▁[a-z]{4,}", vocabulary.piece(index))]
    plurals = [word + "s" for word in stems if len(vocabulary.encode(f" {word}s")) == 2]
    assert plurals
    assert len(saved(with_words(small(), plurals, 100), tmp_path)) == len(vocabulary)


def test_the_words_that_prompts_have_most_come_first() -> None:
    assert common_words(["bake bread", "bake Bread bread", "a bread", "oven"]) == ["bread", "bake"]


def test_frequent_words_come_by_their_place_shared_between_spellings() -> None:
    found = common_words(["Paris Paris Paris paris"], ["paris", "x2", "umbrella", "zither"])
    assert found == ["umbrella", "zither", "Paris", "paris"]


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


@pytest.mark.parametrize("frame", ["\n", "\n\nTask:", ".\n\nTask:", "\n\nConstraints:\n-", ".\n-", ".\n2.", ".\n\nContext:", ".\n\nGoal:"])
def test_frames_with_line_breaks_of_the_golden_form_are_single_pieces(frame: str) -> None:
    assert frame in frame_pieces()
    assert len(trained()[0].encode(frame)) == 1


def test_frames_are_what_stands_between_the_parts_of_every_layout() -> None:
    frames = frame_pieces()
    assert frames == sorted(set(frames))
    assert {"\n\n## Task\n", ".</role>\n<context>", "\n\nDone when:", ".\n*", ".\n- [ ]", "\n3)", "\n\nTASK\n"} <= set(frames)
    assert [frame for frame in frames if frame.endswith(" ")] == []
    assert not any("\ue000" in frame for frame in frames)


def test_pieces_span_several_words() -> None:
    vocabulary = trained()[0]
    spanning = [vocabulary.piece(index) for index in range(len(vocabulary)) if "▁" in vocabulary.piece(index)[1:]]
    learned = [piece for piece in spanning if piece.replace("▁", " ") not in frame_pieces()]
    assert "▁of▁the" in learned
    assert len(learned) > 50


def test_the_network_spells_neither_frames_nor_the_prompt() -> None:
    pair = Pair("make soup", "Act as a cook.\n\nContext: It is warm.\n\nTask: make soup\n\nConstraints:\n- Use salt.\n\nGoal: Soup.")
    assert list(spelled_lines([pair])) == [" a cook", " It is warm", " Use salt", " Soup"]


@pytest.mark.parametrize("prompt", ["make soup", "Make soup.", "soup, etc."])
def test_a_prompt_at_the_very_end_is_not_spelled_either(prompt: str) -> None:
    assert list(spelled_lines([Pair(prompt, f"Role: a cook\n\nNow do this:\n{prompt}", "task_last", "")])) == ["Role: a cook"]


def within_a_word(piece: str, line: str) -> bool:
    """Whether the piece nowhere in the line stands with whole words at both ends."""
    before, after = r"(?<!\w)" if re.match(r"\w", piece) else "", r"(?!\w)" if re.search(r"\w\Z", piece) else ""
    return re.search(before + re.escape(piece) + after, line) is None


PHRASES = st.lists(st.text(st.sampled_from("ab'-,.(é1 "), max_size=24), min_size=1, max_size=3)


@given(PHRASES, PHRASES)
def test_no_seed_phrase_ends_within_a_word(lines: list[str], words: list[str]) -> None:
    seeds = seed_pieces(lines * RAREST, words * RAREST)
    phrases = [piece for piece in seeds if " " in piece.rstrip()[1:]]
    assert [piece for piece in phrases if all(within_a_word(piece, line) for line in lines + words)] == []


def test_seeds_are_phrases_of_the_lines_and_parts_of_single_words_with_their_counts() -> None:
    seeds = seed_pieces(["Say why. Don't guess"] * 5 + ["rare line"] * (RAREST - 1), [", wharf"] * 4)
    assert {"Say why": 5, " why. Don't guess": 5, " wh": 9, "arf": 4, " Don't": 5}.items() <= seeds.items()
    assert not {"Say wh", ", w", ", wharf", "rare line", "y. D"} & set(seeds)


@pytest.mark.parametrize("gap", ["\t", "\r\n", "\n"])
def test_prompts_with_tabs_and_line_breaks_leave_the_seeds_sound(gap: str, tmp_path: Path) -> None:
    prompts = [f"a{gap}bc fix{gap}it{gap}"] * 20
    assert [piece for piece in seed_pieces(["Use salt."] * 20, prompts) if re.search(r"[\t\r\n]", piece)] == []
    assert len(saved(train_vocabulary(list(spelled_lines(pairs()[:60])), prompts, 650), tmp_path)) == 650


def test_lines_of_the_knowledge_base_take_fewer_pieces_than_words(tmp_path: Path) -> None:
    some = list(entries().values())[:2]
    lines = [line.text for entry in some for line in (*entry.constraints, *entry.steps) if "{" not in line.text]
    vocabulary = saved(train_vocabulary(lines * 8, ["so"], 870), tmp_path)
    assert sum(len(vocabulary.encode(line)) for line in lines) < sum(len(line.split()) for line in lines)


def test_learned_pieces_of_several_words_end_where_words_end() -> None:
    vocabulary = trained()[0]
    texts = "\n".join([*spelled_lines(pairs())])
    spanning = {piece for index in range(len(vocabulary)) if " " in (piece := vocabulary.piece(index).replace("▁", " "))[1:]}
    learned = spanning - set(frame_pieces()) - set(control_pieces())
    assert len(learned) > 50
    assert [piece for piece in learned if within_a_word(piece, texts)] == []


def model_of(*pieces: tuple[str, float]) -> bytes:
    """The small model with further pieces."""
    model = model_format.ModelProto.FromString(small())
    for piece, score in pieces:
        model.pieces.add(piece=piece, score=score)
    return bytes(model.SerializeToString())


def test_a_renewed_vocabulary_has_other_phrases_in_the_places_of_those_that_went_and_keeps_all_else(tmp_path: Path) -> None:
    known = saved(model_of(("▁zither", RARE), ("▁went▁out", -5.0), ("▁stays▁here", -6.0), ("▁went▁too", -7.0)), tmp_path)
    chosen = model_of(("▁zither", -3.0), ("▁comes▁rarely", -9.0), ("▁stays▁here", -4.0), ("▁comes▁in", -8.0))
    both = saved(renewed(model_of(("▁zither", RARE), ("▁went▁out", -5.0), ("▁stays▁here", -6.0), ("▁went▁too", -7.0)), chosen), tmp_path)
    changed = {known.piece(index): both.piece(index) for index in range(len(known)) if known.piece(index) != both.piece(index)}
    assert changed == {"▁went▁out": "▁comes▁in", "▁went▁too": "▁comes▁rarely"}
    assert [both.score(both.id(piece)) for piece in ("▁stays▁here", "▁comes▁in", "▁zither")] == [-4.0, -8.0, RARE]
    assert both.encode(" comes in") == [both.id("▁comes▁in")]


def test_where_fewer_phrases_come_than_go_what_is_left_is_asked_for_by_no_text(tmp_path: Path) -> None:
    both = saved(renewed(model_of(("▁went▁out", -5.0), ("▁went▁too", -7.0)), model_of(("▁comes▁in", -8.0))), tmp_path)
    assert both.piece(len(both) - 1) == "▁went▁too"
    assert len(both.encode(" went too")) > 1


def test_the_command_renews_a_vocabulary_it_is_given(tmp_path: Path) -> None:
    data, first, model = tmp_path / "pairs.jsonl", tmp_path / "first.model", tmp_path / "spiece.model"
    write_pairs(pairs(), data)
    first.write_bytes(model_of(("▁went▁out", -5.0)))
    vocabulary_from_pairs(VocabularyOptions(data_path=data, output=model, size=SIZE, words=0, init=first), print)
    before, after = Vocabulary(first), Vocabulary(model)
    assert len(after) == len(before)
    assert not after.has("▁went▁out")


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
