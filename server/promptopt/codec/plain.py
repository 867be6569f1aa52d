"""Text for a network that points at nothing: it reads the prompt and writes the whole rewrite itself."""

from collections.abc import Sequence

from promptopt.codec.codec import END
from promptopt.errors import RewriteFailed
from promptopt.vocabulary import Vocabulary


class PlainCodec:
    """What the tokenizer makes of a prompt goes in, what it makes of the network's pieces comes out."""

    pointers: tuple[int, ...] = ()
    once: tuple[int, ...] = ()
    paired = False

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def encode_prompt(self, prompt: str, limit: int) -> list[int]:
        """The ids that a T5 tokenizer gives `prompt`, cut to `limit` with the end."""
        return [*self.vocabulary.encode(" " + prompt.strip())[: limit - 1], END]

    def decoder(self, prompt: str) -> "PlainDecoder":
        """What turns ids into text as they come."""
        return PlainDecoder(self.vocabulary)

    def decode(self, prompt: str, ids: Sequence[int]) -> str:
        """The text of `ids` up to the end. Raises RewriteFailed when there is none."""
        written = list(ids)
        text = self.vocabulary.decode(written[: written.index(END)] if END in written else written).strip()
        if not text:
            raise RewriteFailed("The network wrote nothing.", "Say a little more in the prompt and try again.")
        return text


class PlainDecoder:
    """Turns the ids of one rewrite into text as they come."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._ids: list[int] = []

    @property
    def text(self) -> str:
        """The text so far."""
        return self._vocabulary.decode(self._ids, final=False).lstrip()

    def push(self, index: int) -> None:
        """Takes the next id."""
        self._ids.append(index)
