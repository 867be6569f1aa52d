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
_JOINING = """
a about above across after against all along also am among an and any are around as at be because been before being below between both but
by can could did do does during each either every for from had has have he her his how i if in inside into is it its just like may me
might more most must my near no nor not of off on once only onto or our out outside over per should since so some such than that the their
them then there these they this those through to toward towards under until up upon us using via was we were what when where whether which
while who whom whose why will with within without would you your
"""
JOINING_WORDS = frozenset(_JOINING.split())
"Words that only join others: no phrase worth naming begins or ends with one."


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


def joins(text: str, unit: Unit) -> bool:
    """Whether `unit` of `text` is a plain word that only joins others."""
    return not unit.protected and text[unit.start : unit.end].lower() in JOINING_WORDS


def _words(text: str, start: int, end: int) -> list[Unit]:
    return [Unit(match.start(), match.end(), False) for match in _WORD.finditer(text, start, end)]
