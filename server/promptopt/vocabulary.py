"""A SentencePiece vocabulary as the codec needs it: exact pieces in, exact text out."""

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from promptopt.errors import BundleError

_ANCHOR = "<unk>"
_SENTINEL = re.compile(r"<extra_id_(\d+)>")


class Vocabulary:
    """Pieces and ids of a SentencePiece model, plus T5's `<extra_id_n>` sentinels where a model has them.

    `extra_ids` sentinels follow the model's own pieces; `<extra_id_0>` has the highest id, as in T5.
    """

    def __init__(self, path: Path, extra_ids: int = 0) -> None:
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as error:
            raise BundleError(f"The vocabulary {path} cannot be read.", "Fetch or install the model again.") from error
        self.extra_ids = extra_ids
        self._size = self._model.get_piece_size()
        self._anchor = self._model.encode(_ANCHOR)

    def __len__(self) -> int:
        return self._size + self.extra_ids

    def piece(self, index: int) -> str:
        """The piece with this id."""
        if index < self._size:
            return str(self._model.id_to_piece(index))
        return f"<extra_id_{len(self) - 1 - index}>"

    def id(self, piece: str) -> int:
        """The id of a piece. Raises BundleError when the vocabulary does not have it."""
        sentinel = _SENTINEL.fullmatch(piece)
        if sentinel and int(sentinel[1]) < self.extra_ids:
            return len(self) - 1 - int(sentinel[1])
        if not self.has(piece):
            raise BundleError(f"The vocabulary has no piece {piece!r}.", "The adapter and its base do not fit.")
        return int(self._model.piece_to_id(piece))

    def has(self, piece: str) -> bool:
        """Whether the vocabulary has this piece."""
        sentinel = _SENTINEL.fullmatch(piece)
        return bool(sentinel and int(sentinel[1]) < self.extra_ids) or self._model.id_to_piece(self._model.piece_to_id(piece)) == piece

    def score(self, index: int) -> float:
        """The natural logarithm of how likely the piece is in text; 0 where the vocabulary does not say."""
        return float(self._model.get_score(index)) if index < self._size else 0.0

    def encode(self, text: str) -> list[int]:
        """The ids of `text` as it stands in the middle of a line: no space is added before it. Lone surrogates are read as "?"."""
        readable = text.encode("utf-8", errors="replace").decode("utf-8")
        return list(self._model.encode(_ANCHOR + readable))[len(self._anchor) :]

    def decode(self, ids: Sequence[int], final: bool = True) -> str:
        """The text of ids that `encode` made; bytes that are not UTF-8 become U+FFFD.

        Unless `final`, the first bytes of a character at the very end are left out, for the others to come.
        """
        out = bytearray()
        for index in ids:
            if index >= self._size or self._model.is_control(index) or self._model.is_unknown(index):
                continue
            piece = self._model.id_to_piece(index)
            out += bytes([int(piece[3:5], 16)]) if self._model.is_byte(index) else piece.replace("▁", " ").encode()
        return codecs.getincrementaldecoder("utf-8")("replace").decode(bytes(out), final)
