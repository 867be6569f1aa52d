"""What a structured prompt says when its kind of task is easily mistaken: lines that several kinds have in common.

A rewrite for another kind of task than the writer meant is worse than none, and some prompts are read differently by whoever reads
them. Such a prompt is composed from a general entry, which stands in for its own.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from promptopt.files import parse_json
from promptopt_training.golden.knowledge import Entry, KnowledgeError, all_lines, entries, parse_lists, read_yaml

DOMAIN = "general"
ANY = f"{DOMAIN}/any"
"The entry of what can be said of every prompt."


class Mistake(StrEnum):
    """What a prompt is easily taken for."""

    NONE = ""
    KIND = "kind"
    "Another kind of task, for which the same general entry stands in."
    FAMILY = "family"
    "A kind of task for which another general entry stands in."


@cache
def general_entries() -> Mapping[str, Entry]:
    """The general entries by their full names; they have no examples, and their experts may be called as elsewhere.

    Raises KnowledgeError for a broken rule.
    """
    found = {f"{DOMAIN}/{raw['id']}": _parsed(raw) for raw in read_yaml("general.yaml")}
    known = {line.text for entry in entries().values() for line in all_lines(entry)}
    for name, entry in found.items():
        for line in all_lines(entry):
            if line.text in known and "{expert}" not in line.text:
                raise KnowledgeError(f"{name}: the line stands twice: {line.text!r}")
            known.add(line.text)
    return found


@cache
def stand_ins() -> Mapping[str, str]:
    """For each entry of the knowledge base the general one that stands in for it.

    An entry named in full goes before its file. Raises KnowledgeError for an entry that is unknown, left out or named twice.
    """
    named: dict[str, str] = {}
    for raw in read_yaml("general.yaml"):
        for name in raw["instead_of"]:
            if name in named:
                raise KnowledgeError(f"{DOMAIN}/{raw['id']}: {name} is named twice")
            named[name] = f"{DOMAIN}/{raw['id']}"
    found = {name: named.pop(name, "") or named.get(f"{name.split('/')[0]}/*", "") for name in entries()}
    left = [name for name, general in found.items() if not general]
    unknown = [name for name in named if not name.endswith("/*")]
    if left or unknown:
        raise KnowledgeError(f"no general entry for: {', '.join(left) or '-'}; unknown: {', '.join(unknown) or '-'}")
    return found


def stand_in(name: str, mistake: Mistake) -> Entry:
    """The general entry for a prompt of the entry called `name` that is easily mistaken."""
    return general_entries()[ANY if mistake is Mistake.FAMILY else stand_ins()[name]]


@cache
def mistakable() -> Mapping[str, Mapping[str, Mistake]]:
    """By entry the examples that are easily taken for those of another one; training/runs/mistakable.py finds them."""
    text = resources.files(__package__).joinpath("mistakable.json").read_text(encoding="utf-8")
    return {name: {example: Mistake(mistake) for example, mistake in examples.items()} for name, examples in parse_json(text).items()}


def _parsed(raw: Mapping[str, Any]) -> Entry:
    name = f"{DOMAIN}/{raw['id']}"
    try:
        lines = parse_lists(raw)
    except KnowledgeError as error:
        raise KnowledgeError(f"{name}: {error}") from error
    if any(line.conditional for kind in ("personas", "contexts", "goals") for line in lines[kind]):
        raise KnowledgeError(f"{name}: persona, context and goal depend on nothing but the field")
    if any(line.text.startswith("{") for line in (lines["personas"][-1], *lines["contexts"], *lines["goals"])):
        raise KnowledgeError(f"{name}: the last persona, context and goal have no slot")
    return Entry(name, "", (), subjects={}, **lines)
