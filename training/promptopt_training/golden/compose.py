"""A structured prompt for a prompt and its entry of the knowledge base: what applies is a function of what the prompt says and lacks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from promptopt_training.golden.experts import expert_on
from promptopt_training.golden.knowledge import Entry, Line, common

SHORT = 12
"Words of a prompt that gets a line less in each list."
BRIEF = 3
"Words of a subject that is named in a list, too."
PARTICULAR = 2
_Usable = tuple[Line, str]


@dataclass(frozen=True)
class Parts:
    """The content of a structured prompt, before a layout gives it a form."""

    persona: str
    context: str
    task: str
    constraints: tuple[str, ...]
    steps: tuple[str, ...]
    goal: str


def compose(prompt: str, entry: Entry, subject: str = "") -> Parts:
    """The content that `entry` gives for `prompt`: the same prompt always gives the same content.

    `subject` is what the prompt is about in its own words, "" for nothing in particular: who reads the prompt knows, no rule finds it.
    """
    wanted = 3 if len(prompt.split()) <= SHORT else 4
    named = subject if len(subject.split()) <= BRIEF else ""
    constraints = _several([*common(), *entry.constraints], prompt, named, wanted)
    repeated = any("{topic}" in line.text for line, _ in constraints)
    steps = _several(entry.steps, prompt, "" if repeated else named, wanted)
    return Parts(
        persona=_first(entry.personas, prompt, subject),
        context=_first(entry.contexts, prompt, subject),
        task=prompt,
        constraints=tuple(text for _, text in constraints),
        steps=tuple(text for _, text in steps),
        goal=_first(entry.goals, prompt, subject),
    )


def fill(line: Line, prompt: str, subject: str) -> str | None:
    """The text of a line for this prompt, or None where it does not belong."""
    said = line.says.search(prompt) if line.says else None
    if (line.says and said is None) or (line.lacks and line.lacks.search(prompt)):
        return None
    text = line.text
    if "{expert}" in text:
        expert = expert_on(subject)
        if not expert:
            return None
        text = text.replace("{expert}", expert)
    if "{topic}" in text:
        if not subject:
            return None
        text = _put(text, "{topic}", subject)
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


def _first(lines: Sequence[Line], prompt: str, subject: str) -> str:
    return next(text for line in lines if (text := fill(line, prompt, subject)) is not None)


def _several(lines: Sequence[Line], prompt: str, subject: str, wanted: int) -> list[_Usable]:
    """`wanted` lines and their texts in file order: at most two conditional or topical, then general ones from the first to the last."""
    usable = [(line, text) for line in lines if (text := fill(line, prompt, subject)) is not None]
    says = [item for item in usable if item[0].says is not None][:2]
    topical = [item for item in usable if "{topic}" in item[0].text and item not in says][:1]
    lacks = [item for item in usable if item[0].lacks is not None and item not in says and item not in topical][:2]
    chosen = [*says, *topical, *lacks][:PARTICULAR]
    general = [item for item in usable if not item[0].conditional and "{topic}" not in item[0].text]
    chosen += _spread(general, wanted - len(chosen))
    return sorted(chosen, key=usable.index)


def _spread(items: Sequence[_Usable], count: int) -> list[_Usable]:
    """`count` of the items, evenly from the first to the last; all of them where there are not more."""
    if count >= len(items):
        return list(items)
    return [items[round(place * (len(items) - 1) / max(1, count - 1))] for place in range(count)]
