"""Puts the pieces that rewrites are made of ahead of those that are only read.

Half of an embedded vocabulary are words of prompts, to which a rewrite points instead of spelling them. The head gives each piece a
score for each piece that is written: with those that are never written at the end, an engine leaves them out and reads half the weights.
"""

from collections.abc import Iterable
from pathlib import Path

import torch
from sentencepiece import sentencepiece_model_pb2 as model_format
from transformers import T5ForConditionalGeneration

from promptopt.bundle import read_json

KEY = "written_pieces"
"In a base's config.json; 0 or nothing where every piece may be written."


def written_first(model: T5ForConditionalGeneration, vocabulary: bytes, written: Iterable[int]) -> bytes:
    """Reorders the pieces of `model` in place and returns its vocabulary, a SentencePiece model, in the same order.

    First come pieces that no text can spell, then those whose ids are `written`, then the others, each in the order they had; rows of the
    matrix without a piece stay behind. How many come before the others is noted in the model's config.
    """
    content = model_format.ModelProto.FromString(vocabulary)  # type: ignore[attr-defined]
    pieces = list(content.pieces)
    text = model_format.ModelProto.SentencePiece.NORMAL  # type: ignore[attr-defined]
    kept = {number for number, piece in enumerate(pieces) if piece.type != text} | set(written)
    order = sorted(range(len(pieces)), key=lambda number: (pieces[number].type == text, number not in kept, number))
    del content.pieces[:]
    content.pieces.extend(pieces[number] for number in order)
    rows = torch.tensor([*order, *range(len(order), model.config.vocab_size)])
    with torch.no_grad():
        for weight in {model.shared.weight, model.lm_head.weight}:
            weight.copy_(weight[rows].clone())
    setattr(model.config, KEY, len(kept))
    return bytes(content.SerializeToString())


def written_pieces(base: Path, targets: Iterable[int]) -> int:
    """How many pieces, the first of the vocabulary, an adapter for `base` writes whose training `targets` are these; 0 for all of them.

    A style whose rewrites need words that the base only reads may write every piece.
    """
    count = read_json(base / "config.json").get(KEY, 0)
    return count if isinstance(count, int) and max(targets, default=0) < count else 0
