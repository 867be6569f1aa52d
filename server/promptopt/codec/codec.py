"""Encodes prompts and rewrites for one vocabulary, and decodes what the network wrote."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promptopt.codec.decoder import Decoder, malformed
from promptopt.codec.phrases import Phrase, PhraseFinder, needs_space, prompt_place
from promptopt.codec.table import Table
from promptopt.units import Unit, joins, protected_spans, words_and_spans
from promptopt.vocabulary import Vocabulary

PAD, END = 0, 1
RARE = -12.0
"The score of a piece that is there to be read rather than written."
_SUSPECT = re.compile(r"^ | $| (?=[ \n])|(?<=[ \n]) |[^ ]")  # T5 keeps single spaces between words only


@dataclass(frozen=True)
class _Pointed:
    """A stretch `rewrite[start:end]` that is pointed at instead of spelled, and the ids that do so."""

    start: int
    end: int
    ids: tuple[int, ...]


class Codec:
    """Encodes prompts and rewrites for one vocabulary, and decodes what the network wrote."""

    def __init__(self, vocabulary: Vocabulary, table: Table, prefix: Sequence[int] = ()) -> None:
        self.vocabulary = vocabulary
        self.table = table
        self.prefix = tuple(prefix)
        self.prompt = vocabulary.id(table.prompt)
        self.pointers = tuple(vocabulary.id(piece) for piece in table.pointers)
        self.glue = vocabulary.id(table.glue)
        self.capital = vocabulary.id(table.capital)
        self.escape = vocabulary.id(table.escape)
        self.line_break = vocabulary.id(table.line_break) if table.line_break else None
        self._survivors: dict[str, bool] = {}
        self.ordinals = {index: number for number, index in enumerate(self.pointers)}
        self.paired = table.points_at == "words"
        self.once = (self.prompt,)

    def units(self, prompt: str) -> list[Unit]:
        """The units of `prompt` that can be pointed at, as many as there are pointers."""
        return [unit for unit in self._read(prompt) if not joins(prompt, unit)][: len(self.pointers)]

    def _read(self, prompt: str) -> list[Unit]:
        """The units of `prompt` that are read one by one."""
        return words_and_spans(prompt) if self.paired else protected_spans(prompt)

    def encode_prompt(self, prompt: str, limit: int) -> list[int]:
        """What the network reads: the prefix, the prompt with each unit led in by its pointer, and the end; at most `limit` ids.

        A longer prompt is read as far as it fits. It is written back whole all the same, because it is pointed at.
        """
        ids = list(self.prefix)
        position = 0
        pointers = iter(self.pointers)
        for unit in self._read(prompt):
            if len(ids) >= limit:
                break
            text = prompt[position : unit.end]
            if not joins(prompt, unit):
                pointer = next(pointers, None)
                if pointer is None:
                    break
                ids.append(pointer)
            ids += self.plain(text if position or text[:1].isspace() else " " + text)
            position = unit.end
        if len(ids) < limit:
            ids += self.plain(prompt[position : position + 8 * limit])
        return [*ids[: limit - 1], END]

    def encode_rewrite(self, prompt: str, rewrite: str) -> list[int]:
        """The ids the network should write for `rewrite`, ended.

        Raises ValueError when `rewrite` does not contain `prompt`.
        """
        ids: list[int] = []
        position = 0
        for pointed in self._pointed(prompt, rewrite):
            spelled, glued = rewrite[position : pointed.start], needs_space(rewrite[: pointed.start])
            if spelled.endswith(" ") and needs_space(rewrite[: pointed.start - 1]):
                spelled = spelled[:-1]
            ids += self._text(spelled)
            ids += [self.glue, *pointed.ids] if glued else pointed.ids
            position = pointed.end
        return [*ids, *self._text(rewrite[position:]), END]

    def decode(self, prompt: str, ids: Sequence[int]) -> str:
        """The rewrite that `ids` stand for.

        Raises RewriteFailed when they do not point at the prompt exactly once, or hold a malformed pointer.
        """
        decoder = self.decoder(prompt)
        for index in ids:
            if index == END:
                break
            decoder.push(index)
        if not decoder.whole:
            raise malformed("a pointer without its partner")
        if decoder.prompts != 1:
            raise malformed(f"{decoder.prompts} pointers to the prompt instead of one")
        return decoder.ended

    def decoder(self, prompt: str) -> Decoder:
        """What turns the ids of a rewrite of `prompt` into text as they come."""
        return Decoder(self, prompt)

    def _pointed(self, prompt: str, rewrite: str) -> Iterator[_Pointed]:
        """What of `rewrite` is pointed at, in order: the prompt once, and phrases of it that are no usual piece."""
        place = prompt_place(prompt, rewrite)
        finder = PhraseFinder(prompt, self.units(prompt), ranges=self.table.points_at == "words")
        for start, stop in ((0, place), (place + len(prompt), len(rewrite))):
            if start:
                yield _Pointed(place, start, (self.prompt,))
            position = start
            while position < stop:
                found = finder.longest(rewrite, position, stop)
                if found is None or self._usually_spelled(rewrite[found.start : found.end]):
                    position += 1
                    continue
                yield _Pointed(found.start, found.end, self._pointing(found))
                position = found.end

    def _usually_spelled(self, phrase: str) -> bool:
        """Whether `phrase` is one piece that texts are full of; a network can point at a rare word even if it never wrote it."""
        ids = self.plain(" " + phrase)
        return len(ids) < 2 and all(self.vocabulary.score(index) > RARE for index in ids)

    def _pointing(self, phrase: Phrase) -> tuple[int, ...]:
        """The ids that point at `phrase`."""
        ends = (phrase.first, phrase.last) if self.table.points_at == "words" else (phrase.first,)
        pointers = tuple(self.pointers[number] for number in ends)
        return (self.capital, *pointers) if phrase.capital else pointers

    def plain(self, text: str) -> list[int]:
        """Ids of text to be read: whatever the vocabulary makes of it, line breaks kept."""
        if self.line_break is None:
            return self.vocabulary.encode(text)
        ids: list[int] = []
        for number, line in enumerate(text.split("\n")):
            ids += [self.line_break] if number else []
            ids += self.vocabulary.encode(line)
        return ids

    def spelled(self, ids: Sequence[int], final: bool = True) -> str:
        """The text of ids that hold no pointer and no escape; unless `final`, without a character that is not whole yet."""
        *lines, last = [ids] if self.line_break is None else _split(ids, self.line_break)
        return "".join(self.vocabulary.decode(line) + "\n" for line in lines) + self.vocabulary.decode(last, final)

    def _text(self, text: str) -> list[int]:
        """Ids of text to be written, exact: what the vocabulary cannot spell is escaped."""
        ids = self.plain(text)
        if self.spelled(ids) == text:
            return ids
        if len(text) == 1:
            return [self.escape, *self.vocabulary.encode(f"{ord(text):x}"), self.escape]
        return [index for part in self._parts(text) for index in self._text(part)]

    def _parts(self, text: str) -> list[str]:
        """`text` cut around the characters that cannot be spelled, so that words stay whole; halved where no single one is to blame."""
        parts, position = list[str](), 0
        for match in _SUSPECT.finditer(text):
            if not self._survives(match[0]):
                parts += [text[position : match.start()], match[0]]
                position = match.end()
        parts = [part for part in [*parts, text[position:]] if part]
        return parts if len(parts) > 1 else [text[: len(text) // 2], text[len(text) // 2 :]]

    def _survives(self, character: str) -> bool:
        """Whether the vocabulary can spell a character that stands alone."""
        if character not in self._survivors:
            self._survivors[character] = self.spelled(self.plain(character)) == character
        return self._survivors[character]


def _split(ids: Sequence[int], separator: int) -> Iterator[list[int]]:
    line: list[int] = []
    for index in ids:
        if index == separator:
            yield line
            line = []
        else:
            line.append(index)
    yield line
