"""A base taken up with more pieces keeps what it knew; new words lie where their meaning is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from sentencepiece import sentencepiece_model_pb2 as model_format
from transformers import T5Config, T5ForConditionalGeneration

from promptopt.bundle import VOCABULARY, base_folder
from promptopt.errors import InvalidInput
from promptopt.vocabulary import Vocabulary
from promptopt_training.grow import LENGTH, taken_up
from promptopt_training.labels import Matrix

SPIECE = base_folder("promptopt-mini", (VOCABULARY,)) / VOCABULARY
NEW = ["hippogriff", "wyvern", "spreadsheetlet", "a maker of hippogriffs"]


def beasts_apart(texts: Sequence[str]) -> Matrix:
    """Beasts are alike, and so is everything else."""
    rng = np.random.default_rng(1)
    rows = np.array([[1.0, 0.0, 0.0] if text in NEW[:2] else [0.0, 1.0, 0.0] for text in texts])
    return (rows + rng.normal(scale=0.01, size=rows.shape)).astype(np.float32)


def base(folder: Path) -> Path:
    torch.manual_seed(0)
    size = len(Vocabulary(SPIECE))
    shape = {"d_model": 32, "d_kv": 16, "num_heads": 2, "d_ff": 48, "num_layers": 1, "num_decoder_layers": 1}
    T5ForConditionalGeneration(T5Config(vocab_size=size, **shape)).half().save_pretrained(folder)
    (folder / VOCABULARY).write_bytes(SPIECE.read_bytes())
    return folder


def grown(folder: Path, words: Sequence[str]) -> Vocabulary:
    model = model_format.ModelProto.FromString(SPIECE.read_bytes())
    for word in words:
        model.pieces.add(piece="▁" + word.replace(" ", "▁"), score=-12.0)
    (folder / "grown.model").write_bytes(model.SerializeToString())
    return Vocabulary(folder / "grown.model")


def alike(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(one, other, dim=0))


def test_old_rows_stay_and_new_words_lie_where_their_meaning_is(tmp_path: Path) -> None:
    old = T5ForConditionalGeneration.from_pretrained(base(tmp_path / "base"), dtype=torch.float32)
    vocabulary = grown(tmp_path, NEW)
    model = taken_up(tmp_path / "base", vocabulary, beasts_apart, seed=0)
    rows = model.shared.weight.detach()
    known = len(Vocabulary(SPIECE))
    assert rows.shape == (len(vocabulary), 32)
    assert model.config.vocab_size == len(vocabulary)
    assert torch.equal(rows[:known], old.shared.weight)
    assert torch.equal(model.lm_head.weight, model.shared.weight)
    assert torch.linalg.norm(rows[known:], dim=1).tolist() == pytest.approx([LENGTH] * 4, rel=0.2)
    first, second, other = rows[known], rows[known + 1], rows[known + 2]
    assert alike(first, second) > 0.8
    assert alike(first, other) < 0.4


def test_a_new_phrase_is_the_mean_of_its_parts(tmp_path: Path) -> None:
    old = T5ForConditionalGeneration.from_pretrained(base(tmp_path / "base"), dtype=torch.float32)
    model = taken_up(tmp_path / "base", grown(tmp_path, NEW), beasts_apart, seed=0)
    parts = Vocabulary(SPIECE).encode(" " + NEW[3])
    assert alike(model.shared.weight[-1].detach(), old.shared.weight[parts].mean(0).detach()) > 0.9


def test_a_phrase_in_the_place_of_another_is_the_mean_of_its_parts_and_all_else_stays(tmp_path: Path) -> None:
    old = T5ForConditionalGeneration.from_pretrained(base(tmp_path / "base"), dtype=torch.float32)
    proto = model_format.ModelProto.FromString(SPIECE.read_bytes())
    place = next(number for number, piece in enumerate(proto.pieces) if piece.type == piece.NORMAL and "▁" in piece.piece[1:])
    proto.pieces[place].piece = "▁a▁maker▁of▁hippogriffs"
    (tmp_path / "other.model").write_bytes(proto.SerializeToString())
    rows = taken_up(tmp_path / "base", Vocabulary(tmp_path / "other.model"), beasts_apart, seed=0).shared.weight.detach()
    assert [number for number in range(len(rows)) if not torch.equal(rows[number], old.shared.weight[number])] == [place]
    assert alike(rows[place], old.shared.weight[Vocabulary(SPIECE).encode(" " + NEW[3])].detach().mean(0)) > 0.9


def test_the_same_vocabulary_changes_nothing(tmp_path: Path) -> None:
    old = T5ForConditionalGeneration.from_pretrained(base(tmp_path / "base"), dtype=torch.float32)
    model = taken_up(tmp_path / "base", Vocabulary(SPIECE), beasts_apart, seed=0)
    assert torch.equal(model.shared.weight, old.shared.weight)


def test_a_vocabulary_of_other_pieces_is_refused(tmp_path: Path) -> None:
    model = model_format.ModelProto.FromString(SPIECE.read_bytes())
    model.pieces[-1].piece = "▁unicornz"
    (tmp_path / "other.model").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidInput, match=r"does not have the .* pieces of the base in"):
        taken_up(base(tmp_path / "base"), Vocabulary(tmp_path / "other.model"), beasts_apart, seed=0)
