"""The pieces that rewrites are made of come first in a base, and nothing else of it changes."""

import json
from pathlib import Path

import pytest
import torch
from tiny_lora import SPIECE
from transformers import T5Config, T5ForConditionalGeneration

from promptopt.codec import END, PAD
from promptopt.vocabulary import Vocabulary
from promptopt_training.vocabulary import TABLE, control_pieces
from promptopt_training.written import written_first, written_pieces

KNOWN = Vocabulary(SPIECE)
SPARE = 5
TEXT = " explain how tides work, and when"


def base(tied: bool) -> T5ForConditionalGeneration:
    """A small random T5 with the shipped vocabulary and some rows without a piece."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(KNOWN) + SPARE, d_model=16, d_kv=8, num_heads=2, d_ff=16, num_layers=1, num_decoder_layers=1,
        tie_word_embeddings=tied, dropout_rate=0.0, pad_token_id=PAD, eos_token_id=END, decoder_start_token_id=PAD,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config).eval()
    if not tied:
        torch.nn.init.normal_(model.lm_head.weight)
    return model


def logits(model: T5ForConditionalGeneration, source: list[int], written: list[int]) -> torch.Tensor:
    """Shape [pieces to write, vocabulary]."""
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([[PAD, *written]])).logits[0]
    return found


@pytest.mark.model
@pytest.mark.parametrize("tied", [True, False])
def test_pieces_that_are_written_come_first_and_the_network_says_the_same_of_each(tied: bool, tmp_path: Path) -> None:
    model = base(tied)
    source, target = KNOWN.encode(TEXT), KNOWN.encode(" tides work")
    before = logits(model, source, target)
    content = written_first(model, SPIECE.read_bytes(), target)
    (tmp_path / "spiece.model").write_bytes(content)
    ordered = Vocabulary(tmp_path / "spiece.model")

    count = model.config.written_pieces
    assert {ordered.id(piece) < count for piece in (*control_pieces(), TABLE.prompt, "</s>", *map(KNOWN.piece, target))} == {True}
    unread = [index for index in KNOWN.encode(TEXT) if index not in target and ordered.id(KNOWN.piece(index)) < count]
    assert {KNOWN.piece(index) for index in unread} <= {","}  # frames are declared, so they stay in front
    assert sorted(map(ordered.piece, range(len(ordered)))) == sorted(map(KNOWN.piece, range(len(KNOWN))))
    assert [ordered.piece(index) for index in ordered.encode(TEXT)] == [KNOWN.piece(index) for index in source]

    after = logits(model, ordered.encode(TEXT), ordered.encode(" tides work"))
    places = [ordered.id(KNOWN.piece(index)) for index in range(len(KNOWN))]
    torch.testing.assert_close(after[:, places], before[:, : len(KNOWN)])
    torch.testing.assert_close(after[:, len(KNOWN) :], before[:, len(KNOWN) :])


@pytest.mark.model
def test_what_is_in_order_already_stays_as_it_is(tmp_path: Path) -> None:
    model = base(tied=True)
    once = written_first(model, SPIECE.read_bytes(), range(2000, 3000))
    weights = model.shared.weight.clone()
    count = model.config.written_pieces
    assert written_first(model, once, range(count)) == once
    assert torch.equal(model.shared.weight, weights)


@pytest.mark.parametrize(
    ("config", "targets", "count"),
    [
        ({"written_pieces": 50}, [3, 49], 50),
        ({"written_pieces": 50}, [], 50),
        ({"written_pieces": 50}, [3, 50], 0),
        ({}, [3], 0),
        ({"written_pieces": "50"}, [3], 0),
    ],
)
def test_an_adapter_that_needs_other_pieces_may_write_all(
    config: dict[str, object], targets: list[int], count: int, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert written_pieces(tmp_path, targets) == count
