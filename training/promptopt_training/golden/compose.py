"""A structured prompt for a prompt and its entry of the knowledge base: what applies is a function of what the prompt says and lacks."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptopt_training.golden.experts import expert_on
from promptopt_training.golden.knowledge import Entry, Line, common
from promptopt_training.golden.view import in_plain_view

SHORT = 12
"Words of a prompt that gets a constraint less."
BRIEF = 3
"Words of a subject that is named in a list, too."
STEPS = 3
_Usable = tuple[Line, str]
_Choice = Callable[[Sequence[_Usable], int], Sequence[_Usable]]


@dataclass(frozen=True)
class Parts:
    """The content of a structured prompt, before a layout gives it a form; `topic` is the subject as its lines may name it, "" for none."""

    persona: str
    context: str
    task: str
    constraints: tuple[str, ...]
    steps: tuple[str, ...]
    goal: str
    topic: str = ""


def compose(prompt: str, entry: Entry, subject: str = "") -> Parts:
    """The content that `entry` gives for `prompt`: the same prompt always gives the same content.

    `subject` is what the prompt is about in its own words, "" for nothing in particular: who reads the prompt knows, no rule finds it.
    It is named where it stands in plain view; its expert may be the persona in any case.
    """
    wanted = 3 if len(prompt.split()) <= SHORT else 4
    topic = subject if in_plain_view(prompt, subject) else ""
    named = topic if len(topic.split()) <= BRIEF else ""
    constraints = _several(_usable([*common(), *entry.constraints], prompt, named), wanted, wanted - 1, _first_of)
    repeated = any("{topic}" in line.text for line, _ in constraints)
    steps = _several(_usable(entry.steps, prompt, "" if repeated else named), STEPS, 1, _spread)
    return Parts(
        persona=_first(entry.personas, prompt, topic, expert_on(subject)),
        context=_first(entry.contexts, prompt, topic),
        task=prompt,
        constraints=tuple(text for _, text in constraints),
        steps=tuple(text for _, text in steps),
        goal=_first(entry.goals, prompt, topic),
        topic=topic,
    )


def fill(line: Line, prompt: str, topic: str, expert: str = "") -> str | None:
    """The text of a line for this prompt, or None where it does not belong."""
    said = line.says.search(prompt) if line.says else None
    if (line.says and said is None) or (line.lacks and line.lacks.search(prompt)):
        return None
    text = line.text
    if "{expert}" in text:
        if not expert:
            return None
        text = text.replace("{expert}", expert)
    if "{topic}" in text:
        if not topic:
            return None
        text = _put(text, "{topic}", topic)
    if "{match}" in text and said is not None:
        text = _put(text, "{match}", _whole_words(prompt, said))
    return text


def _put(text: str, slot: str, phrase: str) -> str:
    """`text` with `phrase` in its slot; capitalised where the slot begins the text."""
    return text.replace(slot, phrase[:1].upper() + phrase[1:] if text.startswith(slot) else phrase)


def _whole_words(prompt: str, match: re.Match[str]) -> str:
    """The matched words of the prompt, completed to the end of the last one."""
    rest = re.match(r"\w*", prompt[match.end() :])
    end = match.end() + (rest.end() if rest and prompt[match.end() - 1].isalnum() else 0)
    return prompt[match.start() : end].strip()


def _first(lines: Sequence[Line], prompt: str, topic: str, expert: str = "") -> str:
    return next(text for line in lines if (text := fill(line, prompt, topic, expert)) is not None)


def _usable(lines: Sequence[Line], prompt: str, topic: str) -> list[_Usable]:
    """The lines that belong to the prompt, with their texts."""
    return [(line, text) for line in lines if (text := fill(line, prompt, topic)) is not None]


def _several(usable: Sequence[_Usable], wanted: int, particular: int, choose: _Choice) -> list[_Usable]:
    """`wanted` of the lines in file order: up to `particular` that say something of this prompt, then general ones as `choose` takes them.

    What the prompt says comes before what it lacks, that before its subject, and one of each before a second of any.
    """
    says = [item for item in usable if item[0].says is not None]
    lacks = [item for item in usable if item[0].says is None and item[0].lacks is not None]
    topical = [item for item in usable if not item[0].conditional and "{topic}" in item[0].text]
    chosen = [*says[:1], *lacks[:1], *topical[:1], *says[1:], *lacks[1:]][:particular]
    general = [item for item in usable if not item[0].conditional and "{topic}" not in item[0].text]
    chosen += choose(general, wanted - len(chosen))
    return sorted(chosen, key=usable.index)


def _first_of(items: Sequence[_Usable], count: int) -> Sequence[_Usable]:
    """The first `count` of the items: constraints stand in order of worth."""
    return items[:count]


def _spread(items: Sequence[_Usable], count: int) -> Sequence[_Usable]:
    """`count` of the items, evenly from the first to the last, all of them where there are not more: steps stand in order of work."""
    if count >= len(items):
        return items
    return [items[round(place * (len(items) - 1) / max(1, count - 1))] for place in range(count)]
