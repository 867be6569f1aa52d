"""Which pieces of a vocabulary mean more than themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptopt.errors import BundleError


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
            pieces = (
                table.prompt,
                *table.pointers,
                table.glue,
                table.capital,
                table.escape,
                "" if table.line_break is None else table.line_break,
            )
            if not isinstance(data["pointers"], list | tuple) or not all(isinstance(piece, str) for piece in pieces):
                raise TypeError("every piece should be a string")
        except (KeyError, TypeError) as error:
            raise BundleError("The codec table of the adapter is malformed.", "Fetch the adapter again.") from error
        if table.points_at not in ("words", "spans"):
            raise BundleError(f"The codec table points at {table.points_at!r}, which this version does not know.", "Upgrade promptopt.")
        return table
