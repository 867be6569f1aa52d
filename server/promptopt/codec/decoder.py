"""From ids to text, one at a time."""

from typing import TYPE_CHECKING

from promptopt.codec.phrases import capitalised, needs_space
from promptopt.errors import RewriteFailed

if TYPE_CHECKING:
    from promptopt.codec.codec import Codec


class Decoder:
    """Turns the ids of one rewrite into text as they come."""

    def __init__(self, codec: "Codec", prompt: str) -> None:
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
            raise malformed("a pointer without its partner")
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
        codec = self._codec
        if index in codec.ordinals or index in (codec.prompt, codec.glue, codec.capital):
            raise malformed("an escape that is no character")
        if index != codec.escape:
            escaped.append(index)
            return
        self._done, self._run, self._escaped = self.ended + _character(codec.spelled(escaped)), [], None

    def _push_pointer(self, ordinal: int) -> None:
        if self._codec.table.points_at == "words" and self._first is None:
            self._first = ordinal
            return
        first = ordinal if self._first is None else self._first
        if ordinal >= len(self._units) or first > ordinal:
            raise malformed("a pointer to words that are not there")
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
        raise malformed("an escape that is no character") from error


def malformed(what: str) -> RewriteFailed:
    """The failure of a rewrite in which the network wrote `what`."""
    return RewriteFailed(f"The network wrote {what}.", "Say a little more in the prompt and try again.")
