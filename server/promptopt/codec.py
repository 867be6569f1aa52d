"""Text to ids and back, losing nothing: what the network must not change, it points at instead of retyping.

One piece of the vocabulary stands for the whole prompt. Others, the pointers, stand for its units: for words and protected spans in a
vocabulary with many pointers (then a pair of pointers means "from this unit to that one"), for protected spans alone where there are
few (then one pointer means "this span"). Decoding puts the writer's own characters back.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptopt.errors import BundleError, RewriteFailed
from promptopt.units import Unit, protected_spans, words_and_spans
from promptopt.vocabulary import Vocabulary

PAD, END = 0, 1
_JOINING = frozenset(",.;:!?)]}”’%")


def needs_space(ahead: str) -> bool:
    """Whether a pointer after the text `ahead` is set off by a space unless glued: it is after words and closing punctuation."""
    return bool(ahead) and (ahead[-1].isalnum() or ahead[-1] in _JOINING)


def capitalised(phrase: str) -> str:
    """`phrase` with its first character in upper case."""
    return phrase[:1].upper() + phrase[1:]


@dataclass(frozen=True)
class _Pointed:
    """A stretch `rewrite[start:end]` that is pointed at instead of spelled, and the ids that do so."""

    start: int
    end: int
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """Which pieces of a vocabulary mean more than themselves.

    prompt: the writer's prompt stands here.
    pointers: the n-th unit of the prompt; pairs of them mean a range when `points_at` is "words".
    glue: no space before the next pointer.  capital: the next pointer begins with a capital letter.
    escape: hexadecimal code of a character follows, up to the next escape.
    line_break: a line ends here; None where the vocabulary has a piece for it.
    """

    prompt: str
    pointers: tuple[str, ...]
    points_at: Literal["words", "spans"]
    glue: str
    capital: str
    escape: str
    line_break: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Table":
        """The table from its form in `promptopt.json`. Raises BundleError when it is malformed."""
        try:
            table = cls(**{**data, "pointers": tuple(data["pointers"])})
        except (KeyError, TypeError) as error:
            raise BundleError("The codec table of the adapter is malformed.", "Fetch the adapter again.") from error
        if table.points_at not in ("words", "spans"):
            raise BundleError(f"The codec table points at {table.points_at!r}, which this version does not know.", "Upgrade promptopt.")
        return table


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
        self.ordinals = {index: number for number, index in enumerate(self.pointers)}

    def units(self, prompt: str) -> list[Unit]:
        """The units of `prompt` that can be pointed at, as many as there are pointers."""
        find = words_and_spans if self.table.points_at == "words" else protected_spans
        return find(prompt)[: len(self.pointers)]

    def encode_prompt(self, prompt: str, limit: int) -> list[int]:
        """What the network reads: the prefix, the prompt with each unit led in by its pointer, and the end; at most `limit` ids.

        A longer prompt is read as far as it fits. It is written back whole all the same, because it is pointed at.
        """
        ids = list(self.prefix)
        position = 0
        for number, unit in enumerate(self.units(prompt)):
            if len(ids) >= limit:
                break
            text = prompt[position : unit.end]
            ids.append(self.pointers[number])
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
        decoder = Decoder(self, prompt)
        for index in ids:
            if index == END:
                break
            decoder.push(index)
        if not decoder.whole:
            raise _malformed("a pointer without its partner")
        if decoder.prompts != 1:
            raise _malformed(f"{decoder.prompts} pointers to the prompt instead of one")
        return decoder.ended

    def _pointed(self, prompt: str, rewrite: str) -> Iterator[_Pointed]:
        """What of `rewrite` is pointed at, in order: the prompt once, and phrases of it wherever spelling them would take longer."""
        place = prompt_place(prompt, rewrite)
        finder = _PhraseFinder(self, prompt)
        for start, stop in ((0, place), (place + len(prompt), len(rewrite))):
            if start:
                yield _Pointed(place, start, (self.prompt,))
            position = start
            while position < stop:
                found = finder.longest(rewrite, position, stop)
                if found is not None:
                    yield found
                position = found.end if found is not None else position + 1

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
        middle = len(text) // 2
        return self._text(text[:middle]) + self._text(text[middle:])


class _PhraseFinder:
    """Finds phrases of one prompt in a rewrite of it."""

    def __init__(self, codec: Codec, prompt: str) -> None:
        self._codec = codec
        self._prompt = prompt
        self._units = codec.units(prompt)
        self._starts: dict[str, list[int]] = {}
        for number, unit in enumerate(self._units):
            self._starts.setdefault(prompt[unit.start].lower(), []).append(number)

    def longest(self, rewrite: str, position: int, stop: int) -> _Pointed | None:
        """The longest phrase of the prompt that stands at `rewrite[position:]` and ends before `stop`; None where spelling is as short."""
        if position and rewrite[position - 1].isalnum() and rewrite[position].isalnum():
            return None
        candidates = [self._range(rewrite, position, stop, first) for first in self._starts.get(rewrite[position].lower(), ())]
        best = max((found for found in candidates if found), key=lambda found: found.end, default=None)
        if best is None or len(self._codec.plain(" " + rewrite[best.start : best.end])) < 2:
            return None
        return best

    def _range(self, rewrite: str, position: int, stop: int, first: int) -> _Pointed | None:
        """The longest match that begins with unit `first`."""
        words = self._codec.table.points_at == "words"
        found = None
        for last in range(first, len(self._units) if words else first + 1):
            phrase = self._prompt[self._units[first].start : self._units[last].end]
            end = position + len(phrase)
            if end > stop:
                break
            as_is = rewrite.startswith(phrase, position)
            if not as_is and not rewrite.startswith(capitalised(phrase), position):
                break
            if end < len(rewrite) and rewrite[end].isalnum() and phrase[-1].isalnum():
                continue
            pointers = [self._codec.pointers[number] for number in ((first, last) if words else (first,))]
            found = _Pointed(position, end, tuple(pointers if as_is else [self._codec.capital, *pointers]))
        return found


def prompt_place(prompt: str, rewrite: str) -> int:
    """Where in `rewrite` the prompt stands: alone up to the end of a line if possible, else first.

    Raises ValueError when it stands nowhere.
    """
    places = [match.start() for match in re.finditer(f"(?={re.escape(prompt)})", rewrite)] if prompt else []
    if not places:
        raise ValueError("the rewrite does not hold the prompt word for word")

    def whole_line(place: int) -> bool:
        ahead, rest = rewrite[:place].rsplit("\n", 1)[-1], rewrite[place + len(prompt) :]
        return rest[:1] in ("", "\n") and (not ahead.strip() or ahead.rstrip().endswith(":"))

    return next((place for place in places if whole_line(place)), places[0])


class Decoder:
    """Turns the ids of one rewrite into text as they come."""

    def __init__(self, codec: Codec, prompt: str) -> None:
        self._codec = codec
        self._prompt = prompt
        self._units = codec.units(prompt)
        self._done = ""
        self._run: list[int] = []
        self._escaped: list[int] | None = None
        self._first: int | None = None
        self._glued = self._capital = False
        self.prompts = 0

    @property
    def text(self) -> str:
        """The text so far; a pointer, an escape or a character under way is not in it yet."""
        return self._done + self._codec.spelled(self._run, final=False)

    @property
    def ended(self) -> str:
        """The text when nothing follows: what was under way of a character is U+FFFD."""
        return self._done + self._codec.spelled(self._run)

    @property
    def whole(self) -> bool:
        """Whether no pointer and no escape is under way."""
        return self._first is None and self._escaped is None

    def push(self, index: int) -> None:
        """Takes the next id. Raises RewriteFailed for a malformed pointer or escape."""
        codec = self._codec
        ordinal = codec.ordinals.get(index)
        if self._escaped is not None:
            self._push_escaped(index, self._escaped)
        elif self._first is not None and ordinal is None:
            raise _malformed("a pointer without its partner")
        elif ordinal is not None:
            self._push_pointer(ordinal)
        elif index == codec.prompt:
            self.prompts += 1
            self._put(self._prompt)
        elif index == codec.escape:
            self._escaped = []
        elif index == codec.glue:
            self._glued = True
        elif index == codec.capital:
            self._capital = True
        else:
            self._run.append(index)

    def _push_escaped(self, index: int, escaped: list[int]) -> None:
        if index != self._codec.escape:
            escaped.append(index)
            return
        self._done, self._run, self._escaped = self.ended + _character(self._codec.spelled(escaped)), [], None

    def _push_pointer(self, ordinal: int) -> None:
        if self._codec.table.points_at == "words" and self._first is None:
            self._first = ordinal
            return
        first = ordinal if self._first is None else self._first
        if ordinal >= len(self._units) or first > ordinal:
            raise _malformed("a pointer to words that are not there")
        self._first = None
        self._put(self._prompt[self._units[first].start : self._units[ordinal].end])

    def _put(self, phrase: str) -> None:
        """Sets `phrase` of the prompt behind the text so far."""
        ahead = self.ended
        space = " " if needs_space(ahead) and not self._glued else ""
        self._done, self._run = ahead + space + (capitalised(phrase) if self._capital else phrase), []
        self._glued = self._capital = False


def _character(code: str) -> str:
    try:
        return chr(int(code, 16))
    except (ValueError, OverflowError) as error:
        raise _malformed("an escape that is no character") from error


def _malformed(what: str) -> RewriteFailed:
    return RewriteFailed(f"The network wrote {what}.", "Say a little more in the prompt and try again.")


def _split(ids: Sequence[int], separator: int) -> Iterator[list[int]]:
    line: list[int] = []
    for index in ids:
        if index == separator:
            yield line
            line = []
        else:
            line.append(index)
    yield line
