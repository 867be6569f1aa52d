"""Prompts to compose pairs for: real ones from public sets, invented ones from the knowledge base, and slips of the keyboard."""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptopt_training.golden.knowledge import Entry
from promptopt_training.records import read_lines

CAPS = {"clinc150": 0.15, "onet_task": 0.12, "onet_dwa": 0.02}
LONGEST_WORDS = 200


@dataclass(frozen=True)
class Input:
    """A prompt, the public set it comes from, and the set's own label for it."""

    text: str
    source: str
    label: str = ""


def read_inputs(path: Path) -> list[Input]:
    """Rows of a JSON lines file with "text", "source" and perhaps "label"; longer ones than `LONGEST_WORDS` are left out.

    Raises InvalidInput naming bad rows by their line.
    """
    return [item for item in read_lines(path, _input) if item.text and len(item.text.split()) <= LONGEST_WORDS]


def _input(row: Any) -> Input:
    if not isinstance(row, dict):
        raise ValueError("not an object")
    text, source = row.get("text"), row.get("source", "")
    if not isinstance(text, str):
        raise ValueError('"text" is missing or not a string')
    if not isinstance(source, str):
        raise ValueError('"source" is not a string')
    return Input(text.strip(), source, str(row.get("label") or ""))


def capped(inputs: Iterable[Input], seed: int) -> list[Input]:
    """The inputs, shuffled, with the large one-sided sets cut to their share of the whole."""
    shuffled = list(inputs)
    random.Random(seed).shuffle(shuffled)
    free = sum(item.source not in CAPS for item in shuffled)
    total = free / (1 - sum(CAPS.values()))
    left = {source: round(share * total) for source, share in CAPS.items()}
    kept: list[Input] = []
    for item in shuffled:
        if item.source in left:
            if left[item.source] == 0:
                continue
            left[item.source] -= 1
        kept.append(item)
    return kept


def example_inputs(entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Every example of the knowledge base with the name of its entry."""
    for entry in entries.values():
        for example in entry.examples:
            yield example, entry.name


def mistyped(text: str, rng: random.Random) -> str:
    """`text` as somebody in a hurry might type it: no capitals, no full stop, a politeness, or two letters swapped."""
    slip = rng.random()
    if slip < 0.3:
        return text.lower()
    if slip < 0.5:
        return text.rstrip(".?!") if text.strip(".?! ") else text
    if slip < 0.6:
        return f"please {text[:1].lower()}{text[1:]}"
    if slip < 0.7:
        return text[:1].upper() + text[1:]
    words = text.split(" ")
    place = rng.randrange(len(words))
    word = words[place]
    if len(word) > 4 and word.isalpha():
        cut = rng.randrange(1, len(word) - 2)
        words[place] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
    return " ".join(words)
