"""Patterns of prompts: many wordings of one kind of task, each with its subject known."""

import random
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from promptopt_training.golden.knowledge import KnowledgeError, entries, parse_yaml, read_yaml

_CHOICE = re.compile(r"\[([^\[\]{}]*)\]")
_SLOT = re.compile(r"\{(\*?)([^\[\]{}]+)\}")


@cache
def fillers() -> Mapping[str, list[str]]:
    """What may stand in a named slot, by its name."""
    return {name: [str(item) for item in items] for name, items in read_yaml("fillers.yaml").items()}


@cache
def phrasings() -> Mapping[str, list[str]]:
    """Patterns by the full name of their entry. Raises KnowledgeError for an unknown entry or a pattern that cannot be filled."""
    return read_phrasings(resources.files(__package__).joinpath("phrasings"))


def read_phrasings(folder: Traversable) -> dict[str, list[str]]:
    """The patterns of a folder with one YAML file a domain, which maps ids of entries to lists. Raises as `phrasings` does."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        domain = file.name.removesuffix(".yaml")
        for name, patterns in parse_yaml(file.read_text(encoding="utf-8")).items():
            full = f"{domain}/{name}"
            if full not in entries():
                raise KnowledgeError(f"phrasings for an unknown entry: {full}")
            for pattern in patterns:
                check(pattern, full)
            found[full] = patterns
    return found


def check(pattern: object, name: str) -> None:
    """Raises KnowledgeError when `pattern` is no text, has an unknown slot, two subjects, or a bracket left open."""
    if not isinstance(pattern, str) or not pattern.strip():
        raise KnowledgeError(f"{name}: a phrasing is no text: {pattern!r}")
    slots = _SLOT.findall(pattern)
    unknown = [what for _, what in slots if "|" not in what and what not in fillers()]
    if unknown:
        raise KnowledgeError(f"{name}: unknown slot {unknown[0]!r} in {pattern!r}")
    if sum(bool(star) for star, _ in slots) > 1:
        raise KnowledgeError(f"{name}: two subjects in {pattern!r}")
    if re.search(r"[\[\]{}]", _SLOT.sub("", _CHOICE.sub("", pattern))):
        raise KnowledgeError(f"{name}: a bracket without its partner in {pattern!r}")


def drawn(pattern: str, rng: random.Random) -> tuple[str, str]:
    """A prompt from `pattern`, and its subject: the words in the slot with a star, "" where it has none.

    `[a|b|]` is one of the wordings, `{name}` one of the fillers of that name, `{a|b}` one of those listed.
    """
    subject = ""

    def filled(slot: re.Match[str]) -> str:
        nonlocal subject
        options = slot[2].split("|") if "|" in slot[2] else fillers()[slot[2]]
        chosen: str = rng.choice(options)
        subject = chosen if slot[1] else subject
        return chosen

    worded = _CHOICE.sub(lambda choice: rng.choice(choice[1].split("|")), pattern)
    return " ".join(_SLOT.sub(filled, worded).split()), subject
