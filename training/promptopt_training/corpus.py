"""Pairs as arrays of ids, ready for training: what the network reads, what it should write."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promptopt.codec import END, Codec
from promptopt.vocabulary import Vocabulary
from promptopt_training.records import Pair
from promptopt_training.vocabulary import DENOISE, MASKS, REWRITE, TABLE, style_piece

READ_LIMIT = 512
WRITE_LIMIT = 320
NEUTRAL_SHARE = 0.35
DENOISE_SHARE = 0.10
COPY_SHARE = 0.12
LESSONS = 40_000
LESSON_READ, LESSON_COPY, LESSON_HEAD = 100, 24, 10
HEAD_READ, HEADS = 160, (9, 20)
Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Examples:
    """Examples of uneven length: ids of all of them in a row, and where each begins."""

    source: Ids
    source_starts: NDArray[np.int64]
    target: Ids
    target_starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.source_starts) - 1

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        source = self.source[self.source_starts[index] : self.source_starts[index + 1]]
        target = self.target[self.target_starts[index] : self.target_starts[index + 1]]
        return {"input_ids": source.tolist(), "labels": target.tolist()}

    @classmethod
    def of(cls, encoded: Sequence[tuple[list[int], list[int]]]) -> "Examples":
        """Packs (source ids, target ids) couples."""
        sources, targets = [source for source, _ in encoded], [target for _, target in encoded]
        return cls(_row(sources), _starts(sources), _row(targets), _starts(targets))

    def save(self, path: Path) -> None:
        """Writes the examples as one .npz file, whole or not at all."""
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez(file, source=self.source, source_starts=self.source_starts, target=self.target, target_starts=self.target_starts)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Examples":
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["source"], arrays["source_starts"], arrays["target"], arrays["target_starts"])


def _row(lists: Sequence[list[int]]) -> Ids:
    return np.fromiter((index for ids in lists for index in ids), dtype=np.int32)


def _starts(lists: Sequence[list[int]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([len(ids) for ids in lists])]).astype(np.int64)


def encode_pairs(pairs: Sequence[Pair], codec: Codec, read_limit: int = READ_LIMIT, write_limit: int = WRITE_LIMIT) -> Examples:
    """Pairs for one adapter. Raises ValueError naming the pair that does not survive the codec or is too long to be written."""
    encoded = []
    for number, pair in enumerate(pairs, start=1):
        target = codec.encode_rewrite(pair.prompt, pair.rewrite)
        if codec.decode(pair.prompt, target) != pair.rewrite:
            raise ValueError(f"{_place(number, pair)} does not survive the codec: {pair.prompt[:60]!r}")
        if len(target) > write_limit:
            raise ValueError(
                f"{_place(number, pair)}: its rewrite takes {len(target)} pieces, {write_limit} are allowed: {pair.prompt[:60]!r}"
            )
        encoded.append((codec.encode_prompt(pair.prompt, read_limit), target))
    return Examples.of(encoded)


def _place(number: int, pair: Pair) -> str:
    return f"pair {number} (line {pair.line})" if pair.line else f"pair {number}"


def encode_pretraining(pairs: Sequence[Pair], vocabulary: Vocabulary, seed: int, log: Callable[[int], None]) -> Examples:
    """Pairs with the layout asked for by its piece, or left open; and, between them, lines to be restored.

    A pair whose rewrite is too long to be written is left out. `log` is told how many pairs are done, every thousand.
    """
    rng = random.Random(seed)
    neutral = Codec(vocabulary, TABLE, [vocabulary.id(REWRITE)])
    asked = {pair.style: Codec(vocabulary, TABLE, [vocabulary.id(style_piece(pair.style))]) for pair in pairs}
    encoded = []
    for number, pair in enumerate(pairs):
        codec = neutral if rng.random() < NEUTRAL_SHARE else asked[pair.style]
        target = codec.encode_rewrite(pair.prompt, pair.rewrite)
        if len(target) <= WRITE_LIMIT:
            encoded.append((codec.encode_prompt(pair.prompt, READ_LIMIT), target))
        if rng.random() < DENOISE_SHARE:
            encoded.append(masked(vocabulary, pair.rewrite[:400], rng))
        if number % 1000 == 999:
            log(number + 1)
    return Examples.of(encoded)


def reading_lessons(examples: Examples, vocabulary: Vocabulary, seed: int) -> Examples:
    """Short lessons that cannot be learned without reading, for the start: the heads of rewrites, and prompts to be copied.

    A long rewrite is mostly language, which a decoder learns alone; here nearly every piece to be written depends on what was read.
    """
    rng = random.Random(seed)
    denoise = vocabulary.id(DENOISE)
    lessons = []
    for number in rng.sample(range(len(examples)), min(len(examples), LESSONS)):
        row = examples[number]
        source, target = row["input_ids"], row["labels"]
        if len(source) > LESSON_READ or source[0] == denoise:
            continue
        if rng.random() < COPY_SHARE:
            lessons.append(([denoise, *source[1:]], source[1:-1][:LESSON_COPY]))
        else:
            lessons.append((source, target[:LESSON_HEAD]))
    return Examples.of(lessons)


def with_heads(examples: Examples, vocabulary: Vocabulary) -> Examples:
    """The examples, and the beginnings of their rewrites as short examples of their own.

    What kind of task a prompt is shows in the first words of a rewrite, one decision among some sixty pieces; everything after follows
    from those words, and a decoder learns that alone. In a short example the decision weighs as much as the rest.
    """
    denoise = vocabulary.id(DENOISE)
    rows = [examples[number] for number in range(len(examples))]
    whole = [(row["input_ids"], row["labels"]) for row in rows]
    read = [(source, target) for source, target in whole if source[0] != denoise and len(source) <= HEAD_READ]
    return Examples.of([*whole, *((source, target[:length]) for length in HEADS for source, target in read if len(target) > length + 4)])


def masked(vocabulary: Vocabulary, text: str, rng: random.Random) -> tuple[list[int], list[int]]:
    """T5's span corruption of `text`: about 15 % of the pieces in spans of three are masked, the target restores them."""
    ids = vocabulary.encode(text)
    spans = min(max(1, round(len(ids) * 0.15 / 3)), MASKS, max(1, len(ids) // 4))
    starts = sorted(rng.sample(range(0, max(1, len(ids) - 3), 4), min(spans, len(range(0, max(1, len(ids) - 3), 4)))))
    source, target, position = [vocabulary.id(DENOISE)], list[int](), 0
    for number, start in enumerate(starts):
        mask = vocabulary.id(f"<mask:{number}>")
        source += [*ids[position:start], mask]
        target += [mask, *ids[start : start + 3]]
        position = start + 3
    return [*source, *ids[position:], END], [*target, END]
