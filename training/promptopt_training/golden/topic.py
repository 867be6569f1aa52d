"""The topic of a prompt: a short noun phrase in the writer's own words."""

from collections.abc import Iterator
from functools import cache

from promptopt.units import words_and_spans
from promptopt_training.golden.knowledge import read_yaml

LONGEST = 4
_TURNS = frozenset({"of", "about", "for", "on", "to", "a", "an", "the", "with", "between"})


@cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(read_yaml("words.yaml")[kind].split())


def _is_verb(word: str) -> bool:
    """Whether `word` is one of the listed verbs or a regular form of one."""
    stems = {word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ed"), word.removesuffix("d")}
    stem = word.removesuffix("ing")
    return not stems.isdisjoint(_words("verbs")) or (stem != word and not {stem, stem + "e", stem[:-1]}.isdisjoint(_words("verbs")))


def _is_content(word: str) -> bool:
    adverb = word.endswith("ly") and len(word) > 4
    return not (word in _words("function_words") or _is_verb(word) or adverb or word.isdigit())


def _is_participle(word: str) -> bool:
    """Whether `word` ends as participles do; "bed", "shed" and "speed" are none."""
    return len(word) > 4 and word.endswith("ed") and not word.endswith("eed")


def _names_a_thing(word: str, before: str) -> bool:
    """Whether a listed verb is a noun here, as after a noun of some content: "climate change", "workout plan"."""
    return word in _words("nouns_too") and _is_content(before) and before not in _words("generic_nouns") | _words("adjectives")


def _runs(prompt: str) -> Iterator[tuple[list[str], int, bool]]:
    """Runs of content words: the words as written, the place of the first unit, and whether an article or preposition leads them in."""
    units = words_and_spans(prompt)
    words = [prompt[unit.start : unit.end] for unit in units]
    first = 0
    for number in range(len(units) + 1):
        adjacent = 0 < number < len(units) and prompt[units[number - 1].end : units[number].start] == " "
        joined = number == first or adjacent
        word = words[number].lower() if number < len(units) and not units[number].protected else ""
        compound = adjacent and number > first and _names_a_thing(word, words[number - 1].lower())
        inside = bool(word) and (_is_content(word) or compound)
        if not inside or not joined:
            yield words[first:number], first, first > 0 and words[first - 1].lower() in _TURNS
            first = number if inside else number + 1


def _trimmed(words: list[str]) -> list[str]:
    """A run without vague adjectives at its start, participles and adjectives at its end, and anything ahead of its last four words.

    A noun that only counts after another one is left out where the cut made it the first.
    """
    while words and words[0].lower() in _words("adjectives"):
        words = words[1:]
    while words and (words[-1].lower() in _words("adjectives") or _is_participle(words[-1].lower())):
        words = words[:-1]
    words = words[-LONGEST:]
    return words[1:] if words and words[0].lower() in _words("nouns_too") else words


def topic(prompt: str) -> str | None:
    """The topic of `prompt`, exactly as it stands there, or None when it names nothing in particular.

    Among the runs of content words the longest wins (up to four words, the last ones of a longer run), a run led in by an
    article or a preposition before one that is not, an earlier one before a later. A single word counts when it is led in or
    the prompt has hardly any other.
    """
    best: tuple[tuple[int, bool, int], str] | None = None
    for run, first, led in _runs(prompt):
        words = _trimmed(run)
        specific = sum(word.lower() not in _words("generic_nouns") for word in words)
        lone = len(words) == 1 and not led and len(prompt.split()) > 4
        if not specific or lone or sum(map(len, words)) < 4:
            continue
        rank = (min(specific, 3), led, -first)
        if best is None or rank > best[0]:
            best = (rank, " ".join(words))
    return best[1] if best else None
