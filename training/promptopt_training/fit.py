"""Whether a rewrite suits its prompt, measured against what people wrote down for that prompt.

Labels say which words a persona that fits may contain; lists of missing details say what a vague prompt leaves open.
"""

import re
from collections.abc import Iterable, Sequence

from promptopt_training.measures import STOP_WORDS, outside_task, sections

_WORD = re.compile(r"\w+(?:['’]\w+)*")


def persona_fits(prompt: str, rewrite: str, stems: Sequence[str]) -> bool:
    """Whether the persona of a rewrite in the golden form holds a word that begins with one of the stems, in any case."""
    found = sections(rewrite, prompt)
    if found is None:
        return False
    return any(re.search(rf"(?<!\w){re.escape(stem)}", found.persona, re.IGNORECASE) for stem in stems)


def covered(prompt: str, rewrite: str, missing: Iterable[str]) -> list[bool]:
    """For each missing detail, whether at least half of its content words stand in the rewrite outside the task.

    The measure of Tell Me More's vague tasks (IN3), where a detail reads like "duration of the trip".
    """
    written = set(_content_words(outside_task(prompt, rewrite)))
    return [_mostly_in(set(_content_words(detail)), written) for detail in missing]


def _mostly_in(wanted: set[str], written: set[str]) -> bool:
    return bool(wanted) and 2 * len(wanted & written) >= len(wanted)


def _content_words(text: str) -> list[str]:
    return [word for word in map(str.casefold, _WORD.findall(text)) if word not in STOP_WORDS and len(word) > 1]
