"""Batches of examples of like length, made once: little padding, and an order that a resumed run can repeat."""

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from promptopt_training.corpus import Examples

IGNORED = -100


Row = dict[str, list[int]]


class Batches(Dataset[list[Row]]):
    """A data set whose items are whole batches, in an order of its own for each epoch."""

    def __init__(self, examples: Examples, batches: Sequence[list[int]], seed: int) -> None:
        self._examples = examples
        self._batches = batches
        self._seed = seed
        self._order: Sequence[int] = range(len(batches))

    def set_epoch(self, epoch: int) -> None:
        """The order of this epoch, the same for the same seed; the training loop calls it."""
        numbers = range(len(self._batches))
        self._order = random.Random(f"{self._seed} {epoch}").sample(numbers, len(numbers))

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> list[Row]:
        return [self._examples[number] for number in self._batches[self._order[index]]]


class Shares(Dataset[list[Row]]):
    """The batches dealt out to processes that take their items in turn: at the same step all have a share of the same batch."""

    def __init__(self, batches: Batches, processes: int) -> None:
        self._batches = batches
        self._processes = processes

    def set_epoch(self, epoch: int) -> None:
        """See `Batches`."""
        self._batches.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._batches) * self._processes

    def __getitem__(self, index: int) -> list[Row]:
        """A process without a row of a small batch takes its first one without labels, of which nothing is learned."""
        number, process = divmod(index, self._processes)
        rows = self._batches[number]
        return rows[process :: self._processes] or [{"input_ids": rows[0]["input_ids"], "labels": [IGNORED]}]


def padded(items: Sequence[list[Row]]) -> dict[str, Any]:
    """The rows of the batches as tensors: ids padded with 0, labels with -100, shapes [rows, longest].

    The decoder is given each label after the one before it, and 0 ahead of the first, as a T5 is.
    """
    rows = [row for item in items for row in item]
    sources = _padded([row["input_ids"] for row in rows], 0)
    labels = _padded([row["labels"] for row in rows], IGNORED)
    given = labels.roll(1, dims=1)
    given[:, 0] = 0
    given[given == IGNORED] = 0
    return {"input_ids": sources, "attention_mask": (sources != 0).long(), "decoder_input_ids": given, "labels": labels}


def _padded(rows: Sequence[list[int]], filler: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])


def batches_by_tokens(examples: Examples, budget: int, seed: int) -> Batches:
    """Batches of at most `budget` ids with their padding, sources and targets counted."""
    batches: list[list[int]] = []
    batch: list[int] = []
    source = target = 0
    for number in _by_length(examples, seed):
        wide, tall = _lengths(examples, number)
        if batch and (len(batch) + 1) * (max(source, wide) + max(target, tall)) > budget:
            batches.append(batch)
            batch, source, target = [], 0, 0
        batch.append(number)
        source, target = max(source, wide), max(target, tall)
    if batch:
        batches.append(batch)
    random.Random(seed).shuffle(batches)
    return Batches(examples, batches, seed)


def batches_by_size(examples: Examples, size: int, seed: int) -> Batches:
    """Batches of `size` examples (the last one may be smaller)."""
    order = _by_length(examples, seed)
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    random.Random(seed).shuffle(batches)
    return Batches(examples, batches, seed)


def _lengths(examples: Examples, number: int) -> tuple[int, int]:
    source = examples.source_starts[number + 1] - examples.source_starts[number]
    target = examples.target_starts[number + 1] - examples.target_starts[number]
    return int(source), int(target)


def _by_length(examples: Examples, seed: int) -> list[int]:
    """Example numbers by the length of their targets, then of their sources, both coarse, ties in random order."""
    rng = random.Random(seed)
    keys = {}
    for number in range(len(examples)):
        source, target = _lengths(examples, number)
        keys[number] = (target // 8, source // 16, rng.random())
    return sorted(keys, key=keys.__getitem__)
