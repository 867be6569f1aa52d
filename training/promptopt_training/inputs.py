"""Prompts to compose pairs for: real ones from public sets, invented ones from the knowledge base, and slips of the keyboard."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from promptopt_training.golden.general import Mistake, mistakable
from promptopt_training.golden.knowledge import Entry, read_yaml
from promptopt_training.records import read_lines

SHARED_WORDS = 8
CAPS = {"clinc150": 0.15, "onet_task": 0.12, "onet_dwa": 0.02}
LONGEST_WORDS = 200
_LETTERS = "abcdefghilmnoprstu"
_LOOSE_WORDS = """
a about am an and are as at be between but by can could did do does every for from get give go has have help hey hi how i if in into is
it its list long subtle make many me most much my need new no not of on or our please should signs so some stop tell than that the their
then there these this tips to until up want was we were what what's whats when where whether which who why will with would write you your
"""
_LOOSE = frozenset(_LOOSE_WORDS.split())
_STOPS = ".,;:!?"


@dataclass(frozen=True)
class Input:
    """A prompt, the public set it comes from, the set's own label for it, and its name in a file of labels."""

    text: str
    source: str
    label: str = ""
    id: str = ""


def read_inputs(path: Path) -> list[Input]:
    """Rows of a JSON lines file with "text", "source" and perhaps "label" and "id"; longer ones than `LONGEST_WORDS` are left out.

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
    return Input(text.strip(), source, str(row.get("label") or ""), str(row.get("id") or ""))


def apart_from(inputs: Iterable[Input], held_out: Iterable[str]) -> list[Input]:
    """The inputs that share neither their text nor `SHARED_WORDS` words in a row with a text that is held out to measure on."""
    texts = list(held_out)
    known = {_plain(text) for text in texts}
    runs = {run for text in texts for run in _runs_of_words(text)}
    return [item for item in inputs if _plain(item.text) not in known and runs.isdisjoint(_runs_of_words(item.text))]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _runs_of_words(text: str) -> Iterator[str]:
    words = re.findall(r"\w+", text.casefold())
    return (" ".join(words[start : start + SHARED_WORDS]) for start in range(len(words) - SHARED_WORDS + 1))


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


@dataclass(frozen=True)
class Read:
    """A prompt that somebody has read.

    entry: the one it belongs to.  subject: what it is about in its own words, "" for nothing in particular.
    mistakable: what it is easily taken for.
    """

    text: str
    source: str
    entry: str
    subject: str = ""
    mistakable: Mistake = Mistake.NONE


def example_inputs(entries: Mapping[str, Entry]) -> Iterator[Read]:
    """Every example of the knowledge base."""
    for entry in entries.values():
        easily_taken = mistakable().get(entry.name, {})
        for example in entry.examples:
            yield Read(example, "example", entry.name, entry.subjects.get(example, ""), easily_taken.get(example, Mistake.NONE))


def kept(subject: str, text: str) -> str:
    """`subject` as it stands in a changed `text`, whatever its capitals; "" where it was lost."""
    place = text.lower().find(subject.lower())
    return text[place : place + len(subject)] if place >= 0 else ""


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


@cache
def _remarks() -> Mapping[str, list[str]]:
    return {kind: [str(item) for item in items] for kind, items in read_yaml("remarks.yaml").items()}


def with_remarks(text: str, rng: random.Random) -> str:
    """`text` with something said ahead of it, behind it, or both, as people do who add a wish of their own."""
    behind = [_drawn("after", rng) for _ in range(rng.choice((0, 1, 1, 2)))]
    ahead = [_drawn("before", rng)] if not behind or rng.random() < 0.3 else []
    gap = "\n" if rng.random() < 0.1 else " "
    ended = text if text[-1:] in ".?!:;\"'`)]}" or not behind else text + "."
    return gap.join([*ahead, ended, *behind])


def _drawn(kind: str, rng: random.Random) -> str:
    """A remark with its slots filled; a number is the same throughout the remark."""
    number = str(rng.choice((rng.randint(2, 12), 10 * rng.randint(1, 60))))

    def filler(slot: re.Match[str]) -> str:
        if slot[1] == "n":
            return number
        if slot[1] == "age":
            return str(rng.randint(5, 80))
        return rng.choice(_remarks()["words"]) if slot[1] == "word" else rng.choice(_LETTERS)

    return re.sub(r"\{(n|age|word|letter)\}", filler, rng.choice(_remarks()[kind]))


def cut_short(text: str, rng: random.Random) -> str:
    """The first two to five words of `text`, as those write who say no more than they must.

    The last is no word that anything may follow ("write a", "how do i make"), and no bracket or quotation is left open; where every cut
    would be one of these, the text is kept whole.
    """
    words = text.lower().split()
    ends = [count for count in range(2, min(5, len(words)) + 1) if words[count - 1].strip(_STOPS) not in _LOOSE]
    heads = (" ".join(words[:count]).rstrip(_STOPS) for count in ends)
    sound = [head for head in heads if head and _closed(head)]
    return rng.choice(sound or [text.lower()])


def _closed(text: str) -> bool:
    """Whether each bracket and each quotation mark that `text` opens is closed in it."""
    even = all(text.count(mark) % 2 == 0 for mark in ('"', "`"))
    return even and all(text.count(first) == text.count(last) for first, last in ("()", "[]", "{}"))
