"""Takes up an older base with a vocabulary of more or other pieces: what it learned stays, new words begin with a meaning.

The row of a new word is where a sentence embedding model sees it among the other words, so that a word the network never read lies beside
those it knows; the row of a new phrase is the mean of its parts.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from promptopt.bundle import BASE_FILES, VOCABULARY, check_files
from promptopt.errors import InvalidInput
from promptopt.vocabulary import Vocabulary
from promptopt_training.labels import Embedder
from promptopt_training.vocabulary import is_phrase

LENGTH, NOISE = 12.0, 0.35
"Length of a new row, like that of trained ones, and the spread of the noise that tells words of one meaning apart."
_WORD = re.compile("▁[A-Za-z'’]{2,}")
Rows = NDArray[np.float32]


def taken_up(folder: Path, vocabulary: Vocabulary, embed: Embedder, seed: int) -> T5ForConditionalGeneration:
    """The base in `folder` in float32, with a row for every piece of `vocabulary`.

    Raises InvalidInput unless `vocabulary` has its pieces at their places, but for phrases, and BundleError when the base is not complete.
    """
    check_files(folder, BASE_FILES)
    known = Vocabulary(folder / VOCABULARY)
    changed = [index for index in range(min(len(known), len(vocabulary))) if known.piece(index) != vocabulary.piece(index)]
    if len(known) > len(vocabulary) or not all(is_phrase(known.piece(index)) and is_phrase(vocabulary.piece(index)) for index in changed):
        raise InvalidInput(
            f"The vocabulary does not have the {len(known)} pieces of the base in {folder} at their places.",
            "Take the vocabulary of that base, or one that was made from it.",
        )
    model: T5ForConditionalGeneration = T5ForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    new = [*changed, *range(len(known), len(vocabulary))]
    if new:
        rows = model.shared.weight.detach().numpy().copy()
        model.resize_token_embeddings(len(vocabulary), mean_resizing=False)
        with torch.no_grad():
            model.shared.weight[new] = torch.from_numpy(new_rows(new, known, rows, vocabulary, embed, seed))
    return model


def new_rows(new: Sequence[int], known: Vocabulary, rows: Rows, vocabulary: Vocabulary, embed: Embedder, seed: int) -> Rows:
    """Rows for the `new` pieces of `vocabulary`, shape [pieces, width]; `rows` are those of the vocabulary `known`."""
    words = any(index >= len(known) for index in new)
    meanings = word_meanings(vocabulary, embed, rows.shape[1]) if words else {}
    noise = np.random.default_rng(seed).normal(scale=NOISE, size=(len(new), rows.shape[1])).astype(np.float32)
    added = []
    for index in new:
        parts = known.encode(vocabulary.piece(index).replace("▁", " "))
        row = meanings.get(index, rows[parts].mean(axis=0))
        added.append(LENGTH * row / np.linalg.norm(row))
    return np.stack(added).astype(np.float32) + noise


def word_meanings(vocabulary: Vocabulary, embed: Embedder, width: int) -> dict[int, Rows]:
    """The direction of the meaning of every piece that is a whole word, by its id: principal components [width], turned at random."""
    words = {index: piece[1:] for index in range(len(vocabulary)) if _WORD.fullmatch(piece := vocabulary.piece(index))}
    vectors = embed(list(words.values()))
    left, strengths, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    components = (left * np.sqrt(strengths))[:, :width]
    directions = np.zeros((len(words), width), np.float32)
    directions[:, : components.shape[1]] = components
    turned = directions @ np.linalg.qr(np.random.default_rng(0).normal(size=(width, width)))[0]
    return dict(zip(words, turned.astype(np.float32), strict=True))
