"""The value of a string literal, or of a part of it, and how another value is spelled in its place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from promptopt.errors import InvalidInput
from promptopt.frames.lines import LINE_END, NEWLINES, Reading, line_bounds, line_end
from promptopt.frames.tokens import Notation, Token


@dataclass(frozen=True)
class Atom:
    """The smallest stretch `document[start:end]` of a literal that means something: an escape, a field, or text that stands for itself."""

    start: int
    end: int
    value: str
    kind: str


def read_literal(document: str, token: Token, notation: Notation, start: int, end: int) -> Reading:
    """What `document[start:end]` means: a part of the literal's text, or all of it with its quotes.

    Raises InvalidInput when that cannot be told or could not be written back.
    """
    if notation.refused:
        raise InvalidInput(f"The selection is in a {notation.name}, {notation.refused}.", "Move the prompt into an ordinary string.")
    first, last = text_bounds(document, token, notation, start, end)
    prefix = indentation(document, token, notation, first, last)
    atoms = list(selected_atoms(document, token, notation, first, last))
    prompt = "".join(unindented(atom, notation, prefix) for atom in atoms)
    fields = {NEWLINES.sub("\n", atom.value): atom.value for atom in atoms if atom.kind == "field"}
    for text in fields:
        if prompt.count(text) > sum(1 for atom in atoms if atom.kind == "field" and NEWLINES.sub("\n", atom.value) == text):
            raise InvalidInput(
                f"In the {notation.name}, {text} stands for a value in one place and for itself in another.", "Rename one of the two."
            )

    def write(rewrite: str) -> str:
        return spell(rewrite, notation, fields, line_end(document), prefix)

    place = (notation.name, token.start, len(document) - token.end)
    return Reading(prompt, write, place, document[start:first], document[last:end], exact=True, fields=frozenset(fields))


def text_bounds(document: str, token: Token, notation: Notation, start: int, end: int) -> tuple[int, int]:
    """The selection without the literal's quotes and the white space next to them. Raises InvalidInput when it has one quote only."""
    if token.text_start <= start and end <= token.text_end:
        return start, end
    if (start, end) != (token.start, token.end):
        raise InvalidInput(
            f"The selection has a part of the quotes of a {notation.name}.", "Select the text between them, or both of them."
        )
    text = document[token.text_start : token.text_end]
    first = token.text_start + len(text) - len(text.lstrip(" \t\r\n"))
    return first, max(first, token.text_start + len(text.rstrip(" \t\r\n")))


def indentation(document: str, token: Token, notation: Notation, first: int, last: int) -> str:
    """What begins each further line of the selection without being part of the prompt."""
    if not notation.multiline:
        return token.prefix
    (begin, _), *further = line_bounds(document, first, last)
    ahead = document[begin:first]
    if begin < token.text_start or ahead.strip(" \t"):
        return token.prefix
    shared = all(document.startswith(ahead, start) or not document[start:end].strip() for start, end in further)
    return ahead if shared else token.prefix


def selected_atoms(document: str, token: Token, notation: Notation, first: int, last: int) -> Iterator[Atom]:
    """The atoms of `document[first:last]`. Raises InvalidInput when one of them is cut, or unknown."""
    for atom in atoms_of(document, token, notation):
        if atom.kind == "text":
            start, end = max(first, atom.start), min(last, atom.end)
            if start < end:
                yield Atom(start, end, document[start:end], "text")
        elif first <= atom.start and atom.end <= last:
            yield atom
        elif atom.start < last and first < atom.end:
            raise InvalidInput(
                f"The selection cuts {document[atom.start : atom.end]!r} of a {notation.name} in two.", "Select all of it or nothing of it."
            )


def atoms_of(document: str, token: Token, notation: Notation) -> Iterator[Atom]:
    """All atoms of a literal in order."""
    position = token.text_start
    while position < token.text_end:
        found = notation.special.search(document, position, token.text_end) if notation.special else None
        stop = found.start() if found else token.text_end
        if position < stop:
            yield Atom(position, stop, document[position:stop], "text")
        if found is None:
            return
        after = notation.field_end(document, stop) if notation.field_end else None
        position = after or found.end()
        if after:
            yield Atom(stop, after, document[stop:after], "field")
        else:
            yield Atom(stop, position, decoded(notation, found.group()), "escape")


def decoded(notation: Notation, escape: str) -> str:
    """The value of an escape. Raises InvalidInput for one that is not known."""
    try:
        return notation.decode(escape)
    except (ValueError, KeyError) as error:
        raise InvalidInput(
            f"What {escape!r} stands for in a {notation.name} is not known.", "Select text without it, or write the character itself."
        ) from error


def unindented(atom: Atom, notation: Notation, prefix: str) -> str:
    """What an atom stands for in the prompt; of text, line ends become LF and what begins each line is left out."""
    if atom.kind == "field":
        return NEWLINES.sub("\n", atom.value)
    if atom.kind == "escape" or not notation.multiline:
        return atom.value
    head, *rest = LINE_END.split(atom.value)
    return "\n".join([head, *(line.removeprefix(prefix) if line.startswith(prefix) else line.lstrip(" \t") for line in rest)])


def spell(text: str, notation: Notation, fields: dict[str, str], newline: str, prefix: str) -> str:
    """`text` as it is written in a literal: `fields` as they are, all else escaped where it has to be."""
    if not fields:
        return broken(edged(text, notation), notation, newline, prefix, last=True)
    longest_first = sorted(fields, key=len, reverse=True)
    pieces = re.split(f"({'|'.join(map(re.escape, longest_first))})", text)
    spelled = []
    for number, piece in enumerate(pieces):
        ended = number == len(pieces) - 1
        spelled.append(fields[piece] if number % 2 else broken(edged(piece, notation), notation, newline, prefix, last=ended))
    return "".join(spelled)


def edged(text: str, notation: Notation) -> str:
    """`text` escaped, at its ends too."""
    spelled = notation.encode(text)
    ahead = spelled[:-1]
    if text and text[-1] in notation.edges and (len(ahead) - len(ahead.rstrip("\\"))) % 2 == 0:
        spelled = f"{spelled[:-1]}\\{spelled[-1]}"
    if text and spelled[0] in notation.edges:
        spelled = f"\\{spelled}"
    return spelled


def broken(spelled: str, notation: Notation, newline: str, prefix: str, last: bool) -> str:
    """`spelled` with its line feeds as the notation writes them. A blank line gets no prefix."""
    if notation.folds:
        return re.sub(r"\n+", lambda found: newline * (len(found.group()) + 1) + prefix, spelled)
    if not notation.multiline:
        return spelled
    spelled = re.sub(r"\n(?!\n|\Z)" if last else r"\n(?!\n)", lambda found: "\0" + prefix, spelled)
    return spelled.replace("\n", newline).replace("\0", newline)
