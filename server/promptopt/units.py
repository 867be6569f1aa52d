"""What in a prompt can be pointed at: protected spans (code, paths, numbers, quotes, …) and plain words."""

import re
from dataclasses import dataclass

_SPANS = (
    r"```.*?```",
    r"`[^`\n]+`",
    r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]}]",
    r"\{\{[^{}\n]*\}\}|\$?\{[^{}\n]*\}|<[A-Za-z_][\w.-]*>|%\([\w]+\)[sd]|\$\w+(?:[.,]\d+)*|%[sd]\b",
    r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+",
    r"(?<!\w)(?:~|\.{1,2})?(?:/[\w.@+-]+)+/?|[A-Za-z]:\\[\w\\.@+-]+",
    r"\"[^\"\n]+\"|“[^“”\n]+”|«[^«»\n]+»|‘[^‘’\n]+’",
    r"(?<!\w)[@#/]?[A-Za-z_]\w*(?:[.\-:]{1,2}[A-Za-z_]\w*){0,8}\(\)",
    r"(?<!\w)[A-Za-z]\w*(?:_\w+)+|(?<!\w)[a-z]+[A-Z]\w*|(?<!\w)[A-Za-z]+\d\w*",
    r"(?<!\w)[+-]?[$€£]?\d+(?:[.,:/]\d+)*%?(?!\w)",
)
_SPAN = re.compile("|".join(f"(?:{source})" for source in _SPANS), re.DOTALL)
_WORD = re.compile(r"\w+(?:['’\-]\w+)*")


@dataclass(frozen=True)
class Unit:
    """A stretch `text[start:end]` of a prompt; `protected` when it is more than a plain word."""

    start: int
    end: int
    protected: bool


def protected_spans(text: str) -> list[Unit]:
    """The stretches of `text` that a rewrite must not alter, in order, without overlap."""
    return [Unit(match.start(), match.end(), True) for match in _SPAN.finditer(text)]


def words_and_spans(text: str) -> list[Unit]:
    """The protected spans of `text` and the plain words between them, in order, without overlap."""
    units: list[Unit] = []
    position = 0
    for span in protected_spans(text):
        units += _words(text, position, span.start)
        units.append(span)
        position = span.end
    return units + _words(text, position, len(text))


def _words(text: str, start: int, end: int) -> list[Unit]:
    return [Unit(match.start(), match.end(), False) for match in _WORD.finditer(text, start, end)]
