"""`promptopt adapters`: what is on this machine, and what comes from the Hub."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from promptopt.commands.options import add_command
from promptopt.errors import BundleError, InvalidInput
from promptopt.files import folder_size

if TYPE_CHECKING:
    from promptopt.adapters.cache import Cache, Entry
    from promptopt.adapters.names import Reference

EPILOG = """\
examples:
  promptopt adapters list
  promptopt adapters pull owner/name@v2
  promptopt optimize --adapter owner/name@v2 "create function"
  promptopt adapters verify
  promptopt adapters remove owner/name

Names are owner/name on the Hugging Face Hub, or owner/name@revision for a branch, a tag or a commit. For private and gated ones log in
first: hf auth login
"""


@dataclass(frozen=True)
class Row:
    """One line of the list: `commit` and `revisions` are empty for what is built in, `size` is in bytes."""

    name: str
    kind: str
    source: str
    size: int
    commit: str
    revisions: tuple[str, ...]
    folder: str


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its own commands."""
    description = "Lists, fetches, checks and removes adapters and their bases."
    own = add_command(commands, "adapters", "adapters on this machine", description, EPILOG)
    actions = own.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what is built in and what is in the cache")
    listing.add_argument("--json", action="store_true", help="print JSON, one object for each")
    listing.set_defaults(run=list_)
    for name, run, help_ in (
        ("pull", pull, "fetch or update an adapter and its base"),
        ("path", path, "print the folder of an adapter or base"),
        ("remove", remove, "delete an adapter or base, and what was compiled from it, from the cache"),
        ("verify", verify, "compare what is in the cache with its hashes"),
    ):
        action = actions.add_parser(name, help=help_)
        action.add_argument("name", metavar="NAME", help="owner/name or owner/name@revision", nargs="?" if name == "verify" else None)
        action.set_defaults(run=run)


def list_(options: argparse.Namespace) -> int:
    """`promptopt adapters list`."""
    from promptopt.adapters.cache import Cache

    rows = [*_built_in(), *(_row(folder, entry) for folder, entry in Cache().entries() if entry)]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1))
        return 0
    width = max(len(row.name) for row in rows)
    for row in rows:
        where = " ".join((row.commit[:12], *row.revisions)) or row.source
        print(f"{row.name:<{width}}  {row.kind:<7}  {row.size / 1e6:>8.1f} MB  {where}")
    return 0


def pull(options: argparse.Namespace) -> int:
    """`promptopt adapters pull`: the newest commit of the revision, and the base if it is not here."""
    from promptopt.adapters.access import Access
    from promptopt.adapters.bar import bytes_bar
    from promptopt.adapters.locate import locate
    from promptopt.adapters.names import ADAPTER, is_offline
    from promptopt.adapters.pull import pull

    reference = _reference(options.name)
    if is_offline(False):
        raise InvalidInput("HF_HUB_OFFLINE is set, so nothing can be fetched.", "Unset it and run the command again.")
    with bytes_bar() as report:
        access = Access(report=report)
        folder, entry = pull(reference, access)
        if entry.kind == ADAPTER.name:
            locate(f"{reference.id}@{entry.commit}", access)
    print(folder)
    return 0


def path(options: argparse.Namespace) -> int:
    """`promptopt adapters path`: opens no socket."""
    from promptopt.adapters.access import Access
    from promptopt.adapters.locate import find
    from promptopt.adapters.names import ADAPTER, BASE, Reference
    from promptopt.bundle import builtin_bases

    access, reference = Access(offline=True), Reference.parse(options.name)
    cached = access.cache.find(reference) if reference else None
    base = options.name in builtin_bases() or (cached and cached[1].kind == BASE.name)
    print(find(options.name, BASE if base else ADAPTER, access).folder)
    return 0


def remove(options: argparse.Namespace) -> int:
    """`promptopt adapters remove`: without a revision, everything of that name; and what was compiled from it."""
    from promptopt.adapters.cache import Cache
    from promptopt.engine.loader import forget

    reference, cache = _reference(options.name), Cache()
    with cache.lock(reference.id, lambda: None):
        doomed = _named(cache, options.name)
        for folder in doomed:
            cache.discard(folder)
        cache.sweep(reference.id)
    _refuse_nothing(doomed, options.name)
    for folder in (*doomed, *forget(doomed)):
        print(folder)
    return 0


def verify(options: argparse.Namespace) -> int:
    """`promptopt adapters verify`: reads every byte; without a revision, of everything of that name."""
    from promptopt.adapters.cache import Cache, damage

    cache = Cache()
    named = _named(cache, options.name) if options.name else cache.folders()
    if options.name:
        _refuse_nothing(named, options.name)
    wrong = []
    for folder, entry in cache.entries():
        if folder not in named:
            continue
        found = damage(folder, entry, thorough=True) if entry else {"index.json": "missing or malformed"}
        state = ", ".join(f"{name}: {what}" for name, what in found.items()) or "whole"
        print(f"{_id(folder)}@{folder.name}  {state}")
        wrong += [f"{_id(folder)}@{folder.name}"] * bool(found)
    if wrong:
        raise BundleError(f"{len(wrong)} in the cache damaged.", f"Fetch what is damaged again: promptopt adapters pull {wrong[0]}")
    return 0


def _reference(name: str) -> "Reference":
    from promptopt.adapters.names import Reference

    reference = Reference.parse(name)
    if reference is None:
        raise InvalidInput(f"{name!r} is no name on the Hub.", "Names are owner/name or owner/name@revision.")
    return reference


def _named(cache: "Cache", name: str) -> list[Path]:
    """Folders of a repository: all without a revision, else those that it names, one whose index cannot be read by its commit alone."""
    reference = _reference(name)
    own = [(folder, entry.revisions if entry else ()) for folder, entry in cache.entries() if _id(folder) == reference.id]
    return [folder for folder, revisions in own if "@" not in name or reference.revision in (folder.name, *revisions)]


def _refuse_nothing(folders: list[Path], name: str) -> None:
    if not folders:
        raise InvalidInput(f"{name} is not in the cache.", "See what is: promptopt adapters list")


def _id(folder: Path) -> str:
    return f"{folder.parent.parent.name}/{folder.parent.name}"


def _built_in() -> Iterator[Row]:
    from promptopt.adapters.names import ADAPTER, BASE
    from promptopt.bundle import builtin_adapters, builtin_bases, builtin_folder

    for kind, names in ((ADAPTER, builtin_adapters()), (BASE, builtin_bases())):
        for name in names:
            folder = builtin_folder() / name
            size = folder_size(folder)
            yield Row(name, kind.name, "built in", size, "", (), str(folder))


def _row(folder: Path, entry: "Entry") -> Row:
    return Row(entry.id, entry.kind, entry.endpoint, entry.size, entry.commit, entry.revisions, str(folder))
