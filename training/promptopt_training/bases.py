"""The frozen bases that adapters are trained on: where they are, and how each kind of vocabulary writes a rewrite."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptopt.adapters.access import Access
from promptopt.adapters.bar import bytes_bar
from promptopt.adapters.locate import find
from promptopt.adapters.names import BASE, is_offline
from promptopt.bundle import BASE_FILES, VOCABULARY, builtin_folder, check_files, read_json
from promptopt.codec import Codec, Table
from promptopt.errors import BundleError
from promptopt.vocabulary import Vocabulary
from promptopt_training.corpus import READ_LIMIT, WRITE_LIMIT
from promptopt_training.vocabulary import REWRITE, TABLE

SENTINELS = 100
FLAN_TABLE = Table(
    prompt="<extra_id_0>",
    glue="<extra_id_1>",
    capital="<extra_id_2>",
    escape="<extra_id_3>",
    line_break="<extra_id_4>",
    pointers=tuple(f"<extra_id_{number}>" for number in range(5, SENTINELS)),
    points_at="spans",
)


@dataclass(frozen=True)
class Kind:
    """How the bases of one kind write: which pieces mean more than themselves, and how much they read and write."""

    table: Table
    prefix: tuple[str, ...]
    extra_ids: int
    write_limit: int
    read_limit: int = READ_LIMIT


OWN = Kind(TABLE, (REWRITE,), 0, WRITE_LIMIT)
T5 = Kind(FLAN_TABLE, (), SENTINELS, 512)


@dataclass(frozen=True)
class Base:
    """A base on disk.

    name: of a built-in one, the Hub's `owner/name`, or an absolute path.  revision: the commit, of one from the Hub.
    """

    name: str
    folder: Path
    kind: Kind
    revision: str | None = None

    @property
    def reference(self) -> str:
        """What the manifest of an adapter calls it."""
        return f"{self.name}@{self.revision}" if self.revision else self.name

    def codec(self) -> Codec:
        """The codec of adapters for this base."""
        vocabulary = Vocabulary(self.folder / VOCABULARY, self.kind.extra_ids)
        return Codec(vocabulary, self.kind.table, [vocabulary.id(piece) for piece in self.kind.prefix])


def find_base(name: str) -> Base:
    """The base that a user names: a built-in one, a folder, or `owner/name` or `owner/name@revision` on the Hub.

    What the Hub has is fetched into the cache, with a bar on a terminal. Raises BundleError when the base cannot be had, is incomplete, or
    has a vocabulary of another kind.
    """
    with bytes_bar() as report:
        place = find(name, BASE, Access(offline=is_offline(False), report=report))
    check_files(place.folder, BASE_FILES)
    kind = kind_of(place.folder)
    if place.entry:
        return Base(place.entry.id, place.folder, kind, revision=place.entry.commit)
    return Base(base_name(place.folder), place.folder, kind)


def base_name(folder: Path) -> str:
    """What an adapter calls a base in a folder: the name of a built-in one, the absolute path of any other."""
    return folder.name if folder.parent == builtin_folder().resolve() else str(folder.resolve())


def kind_of(folder: Path) -> Kind:
    """The kind of the vocabulary of a base. Raises BundleError when it is neither our own nor T5's."""
    vocabulary = Vocabulary(folder / VOCABULARY)
    config: Mapping[str, Any] = read_json(folder / "config.json")
    if vocabulary.has(TABLE.prompt):
        return OWN
    rows = config.get("vocab_size")
    if config.get("model_type") == "t5" and isinstance(rows, int) and rows >= len(vocabulary) + SENTINELS:
        return T5
    raise BundleError(
        f"The base in {folder} has neither pieces of its own to point with nor the {SENTINELS} sentinels of a T5 "
        f"({len(vocabulary)} pieces, {rows} rows).",
        "Take a T5, for instance google/flan-t5-base.",
    )
