"""What can be measured of one rewrite without a judge: its form, what of the prompt it keeps, what it invents.

Every function is pure. They see the surface only: an invented fact in lower case and without digits goes unnoticed.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptopt.form import MARK
from promptopt.units import protected_spans

LEAST_LINES = 3
HEADINGS = ("Context", "Task", "Constraints", "Steps", "Goal")
_FUNCTION_WORDS = """
a about after all also an and any are as at be been but by can could did do does for from get give had has have how i
if in into is it its just like make me my need no not of on one or our out please should so some such than that the
their them then there these they this to up us use want was we were what when where which who why will with would you
your
"""
STOP_WORDS = frozenset(_FUNCTION_WORDS.split())
_HEAD = re.compile(r"Act as ?(?P<persona>[^\n]*)\n\nContext:(?P<context>[^\n]*)\n\nTask: ?")
_TAIL = re.compile(r"\n\nConstraints:((?:\n[^\n]+)*)\n\nSteps:((?:\n[^\n]+)*)\n\nGoal:([^\n]*)\n*")
_LABEL = re.compile(r"\s*(?:[-*•]\s+|\d+[.)]\s+|(?:Context|Task|Goal):\s*)", re.IGNORECASE)
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"]*[^\s<>\".,;:!?)\]}]"
    r"|\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|edu|gov)\b(?:/[\w./-]*\w)?"
)
_CAPITALISED = re.compile(r"[^\W\d_][\w'’-]*")
_ACRONYM = re.compile(r"[A-Z\d]{1,6}s?")
_SENTENCE_START = re.compile(r"(?:^(?:#+|\+|<\w+>|\[[\w ]*\])?|[.?!:…]|[\"“‘«`]|(?<!\w)')[\s*_(\[]*$")


@dataclass(frozen=True)
class Sections:
    """The six sections of the golden form, without headings; lines keep their bullets and numbers."""

    persona: str
    context: str
    task: str
    constraints: tuple[str, ...]
    steps: tuple[str, ...]
    goal: str


def sections(rewrite: str, task: str | None = None) -> Sections | None:
    """The sections of a rewrite in the golden form, else None; a known `task` tells where that section ends."""
    place = _task_section(rewrite, task)
    if place is None:
        return None
    head = _HEAD.fullmatch(rewrite[: place[0]])
    tail = _TAIL.fullmatch(rewrite[place[1] :])
    if head is None or tail is None:
        return None
    return Sections(
        persona=head["persona"].strip(),
        context=head["context"].strip(),
        task=rewrite[place[0] : place[1]],
        constraints=tuple(tail[1].split("\n")[1:]),
        steps=tuple(tail[2].split("\n")[1:]),
        goal=tail[3].strip(),
    )


def form_problems(prompt: str, rewrite: str) -> list[str]:
    """What keeps the rewrite from being a valid golden form around the prompt; nothing when it is one."""
    found = sections(rewrite, prompt)
    repeated = [f"a line is repeated: {line}" for line in repeated_lines(prompt, rewrite)]
    if found is None:
        return _heading_problems(outside_task(prompt, rewrite)) + repeated
    wrong = []
    if not found.persona.rstrip("."):
        wrong.append("the persona is empty")
    elif not found.persona.endswith("."):
        wrong.append("the persona line does not end with a full stop")
    wrong += [f"{name} is empty" for name, text in (("Context", found.context), ("Goal", found.goal)) if not text]
    if found.task != prompt:
        wrong.append("the task is not the prompt word for word")
    wrong += _list_problems("Constraints", found.constraints, ["- "] * len(found.constraints))
    wrong += _list_problems("Steps", found.steps, [f"{number}. " for number in range(1, len(found.steps) + 1)])
    return wrong + repeated


def structured(text: str) -> bool:
    """Whether a text already is a valid golden form."""
    found = sections(text)
    return found is not None and not form_problems(found.task, text)


def problems(prompt: str, rewrite: str) -> list[str]:
    """What is wrong with the form: a structured prompt has to come back as it was, any other in the golden form."""
    if not structured(prompt):
        return form_problems(prompt, rewrite)
    if rewrite == prompt:
        return []
    return ["the prompt already was structured, but was changed", *form_problems(prompt, rewrite)]


def faults(prompt: str, rewrite: str) -> dict[str, list[str]]:
    """What is wrong with the content: what was lost, invented or repeated, by kind; kinds without a case left out."""
    found = {
        "lost span": lost_spans(prompt, rewrite),
        "invented number": invented_numbers(prompt, rewrite),
        "invented URL": invented_urls(prompt, rewrite),
        "invented name": invented_names(prompt, rewrite),
        "repeated line": repeated_lines(prompt, rewrite),
    }
    return {kind: cases for kind, cases in found.items() if cases}


def verbatim(prompt: str, rewrite: str) -> bool:
    """Whether the prompt stands in the rewrite word for word."""
    return _find(rewrite, prompt) is not None


def outside_task(prompt: str, rewrite: str) -> str:
    """The rewrite without the prompt in it: what the network wrote itself."""
    place = _task_place(rewrite, prompt) or _find(rewrite, prompt)
    return rewrite if place is None else rewrite[: place[0]] + rewrite[place[1] :]


def lost_spans(prompt: str, rewrite: str) -> list[str]:
    """The protected spans of the prompt that the rewrite does not hold; the number of a list line is none."""
    if verbatim(prompt, rewrite):
        return []
    text = _without_marks(rewrite)
    spans = [prompt[unit.start : unit.end] for unit in protected_spans(prompt)]
    return _distinct(span for span in spans if _find(text, span) is None)


def invented_numbers(prompt: str, rewrite: str) -> list[str]:
    """The digit sequences outside the task, list numbers aside, that the prompt does not have."""
    known = set(re.findall(r"\d+", prompt))
    return _distinct(number for number in re.findall(r"\d+", _written(prompt, rewrite)) if number not in known)


def invented_urls(prompt: str, rewrite: str) -> list[str]:
    """The web addresses outside the task that the prompt does not have."""
    return _distinct(url for url in _URL.findall(_written(prompt, rewrite)) if url not in prompt)


def invented_names(prompt: str, rewrite: str) -> list[str]:
    """The capitalised words inside sentences outside the task that begin no word of the prompt, in any case.

    Not names: "I", headings of the form, and what is in capitals throughout and short (API, README, URLs).
    """
    known = {word.casefold() for word in (*_WORD.findall(prompt), *re.findall(r"[^\W_]+", prompt))}
    names = []
    for line in _written(prompt, rewrite).split("\n"):
        for match in _CAPITALISED.finditer(line):
            name = re.split(r"['’-]", match[0])[0]
            common = not name[0].isupper() or name in HEADINGS or _ACRONYM.fullmatch(name) is not None
            if common or _SENTENCE_START.search(line[: match.start()]):
                continue
            if not any(word.startswith(name.casefold()) for word in known):
                names.append(name)
    return _distinct(names)


def repeated_lines(prompt: str, rewrite: str) -> list[str]:
    """The lines outside the task that stand there more than once, compared without case, bullet, number and heading."""
    lines = (_LABEL.sub("", line, count=1) for line in outside_task(prompt, rewrite).split("\n"))
    bare = (" ".join(line.casefold().split()) for line in lines)
    return [line for line, times in Counter(filter(None, bare)).items() if times > 1]


def length_ratio(prompt: str, rewrite: str) -> float:
    """How many times as many words the rewrite has."""
    return len(rewrite.split()) / max(1, len(prompt.split()))


def content_recall(prompt: str, text: str) -> float:
    """The share of the prompt's different content words that a text holds; 1 where the prompt has none."""
    wanted = {word for word in map(str.casefold, _WORD.findall(prompt)) if word not in STOP_WORDS and len(word) > 1}
    return len(wanted & set(map(str.casefold, _WORD.findall(text)))) / len(wanted) if wanted else 1.0


def distinct_share(rewrites: Sequence[str]) -> float | None:
    """Different constraint and step lines over all such lines of the set: near 0 for one text for every prompt.

    None without such lines. It falls as a set grows, so only sets of one size compare.
    """
    parsed = [found for found in map(sections, rewrites) if found is not None]
    lines = [MARK.sub("", line, count=1).casefold() for found in parsed for line in (*found.constraints, *found.steps)]
    return len(set(lines)) / len(lines) if lines else None


def _task_place(rewrite: str, task: str) -> tuple[int, int] | None:
    """Where the known task stands after its heading."""
    for after in ("\n\nConstraints:", ""):
        start = rewrite.find(f"\n\nTask: {task}{after}")
        if start >= 0:
            return start + 8, start + 8 + len(task)
    return None


def _task_section(rewrite: str, task: str | None) -> tuple[int, int] | None:
    """Where the Task section stands: the known task, else all to the last Constraints, as a task may hold headings."""
    known = None if task is None else _task_place(rewrite, task)
    if known is not None and rewrite.startswith("\n\nConstraints:", known[1]):
        return known
    heading = re.search(r"\n\nTask: ?", rewrite)
    end = rewrite.rfind("\n\nConstraints:")
    return (heading.end(), end) if heading and end >= heading.end() else None


def _find(text: str, phrase: str) -> tuple[int, int] | None:
    """Where a phrase stands in a text as whole words."""
    before = r"(?<!\w)" if re.match(r"\w", phrase) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", phrase) else ""
    match = re.search(before + re.escape(phrase) + after, text)
    return match.span() if match else None


def _heading_problems(written: str) -> list[str]:
    missing = [] if written.startswith("Act as") else ["no persona line at the start"]
    missing += [f"no {name} section" for name in HEADINGS if not re.search(rf"^{name}:", written, re.MULTILINE)]
    return missing or ["the sections are out of order, or something stands between them"]


def _list_problems(name: str, lines: Sequence[str], marks: Sequence[str]) -> list[str]:
    wrong = []
    if len(lines) < LEAST_LINES:
        wrong.append(f"{name} has {len(lines)} lines, {LEAST_LINES} are needed")
    for line, mark in zip(lines, marks, strict=True):
        if not line.startswith(mark):
            wrong.append(f'a line of {name} does not start with "{mark}": {line}')
        elif not line[len(mark) :].strip():
            wrong.append(f"a line of {name} is empty")
    return wrong


def _written(prompt: str, rewrite: str) -> str:
    return _without_marks(outside_task(prompt, rewrite))


def _without_marks(text: str) -> str:
    return "\n".join(MARK.sub("", line, count=1) for line in text.split("\n"))


def _distinct(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))
