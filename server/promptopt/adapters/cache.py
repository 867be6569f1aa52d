"""The cache of what came from the Hub: a folder for each commit, each with an index of its files and their hashes.

hub/owner/name/<commit>/             the files, and index.json
hub/owner/name/partial-<commit>/     a download under way or interrupted
hub/.locks/owner--name               held while one process writes there
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from promptopt.adapters.names import Reference, is_plain
from promptopt.bundle import read_json
from promptopt.errors import BundleError
from promptopt.files import sha256

FORMAT = 1
INDEX = "index.json"
HASHED_AT_LOAD = 32 << 20
"Files up to so many bytes are hashed whenever they are loaded; of larger ones only the size is looked at."
_POLL = 0.2


@dataclass(frozen=True)
class Record:
    """Size in bytes and SHA-256 of a file in the cache."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One repository at one commit, as its index says."""

    id: str
    commit: str
    kind: str
    "adapter or base"
    revisions: tuple[str, ...]
    "Branches and tags that stood at this commit when they were fetched."
    endpoint: str
    "The Hub it came from."
    fetched: str
    "When, in UTC, ISO 8601."
    files: Mapping[str, Record]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(record.size for record in self.files.values())

    def write(self, folder: Path) -> None:
        """Writes the index into `folder`; it is replaced as a whole. For the holder of the lock: what a killed one left of its own goes."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"
        for left in folder.glob(".index-*"):
            left.unlink()
        partial = folder / f".index-{uuid4().hex}"  # a file of tempfile's would be its maker's alone, and a cache may be shared
        partial.write_text(text, encoding="utf-8")
        partial.replace(folder / INDEX)

    @classmethod
    def read(cls, folder: Path) -> "Entry":
        """The index in `folder`. Raises BundleError when it is not there, malformed or of another format."""
        data = read_json(folder / INDEX)
        try:
            if data.pop("format") != FORMAT:
                raise TypeError("another format")
            files = {name: Record(**record) for name, record in data.pop("files").items() if is_plain(name)}
            return cls(files=files, revisions=tuple(data.pop("revisions")), **data)
        except (KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"{folder / INDEX} is malformed ({error}).", "Fetch it again: promptopt adapters pull") from error


class Cache:
    """What is in one cache folder. Reading it never writes."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = (home or cache_folder()) / "hub"

    def folder(self, id: str, commit: str) -> Path:
        """Where the files of a repository at a commit are, once they are there."""
        return self.home / id / commit

    def partial(self, id: str, commit: str) -> Path:
        """Where they are gathered."""
        return self.home / id / f"partial-{commit}"

    def folders(self) -> list[Path]:
        """All folders of commits, sorted."""
        return sorted(path for path in self.home.glob("[!.]*/*/*") if path.is_dir() and not path.name.startswith(("partial-", "trash-")))

    def entries(self) -> Iterator[tuple[Path, Entry | None]]:
        """Each folder with its index; None where that cannot be read."""
        for folder in self.folders():
            try:
                yield folder, Entry.read(folder)
            except BundleError:
                yield folder, None

    def find(self, reference: Reference) -> tuple[Path, Entry] | None:
        """What was fetched last under `reference`; None when nothing was, or its index cannot be read."""
        found = [
            (folder, entry)
            for folder, entry in self.entries()
            if entry and entry.id == reference.id and (reference.revision == folder.name or reference.revision in entry.revisions)
        ]
        return max(found, key=lambda pair: pair[1].fetched, default=None)

    @contextmanager
    def lock(self, id: str, check: Callable[[], None]) -> Iterator[None]:
        """Holds off other processes that would write there; `check` is called while waiting and may raise.

        What the disk refuses in the block is raised as BundleError.
        """
        locks = self.home / ".locks"
        try:
            locks.mkdir(parents=True, exist_ok=True)
            lock = FileLock(locks / id.replace("/", "--"))
            _acquire(lock, check)
            try:
                yield
            finally:
                lock.release()
        except OSError as error:
            raise _unwritable(self.home, error) from error

    def publish(self, id: str, commit: str) -> Path:
        """Moves the gathered files, index among them, to their place; something unusable there makes way. Returns the place."""
        folder = self.folder(id, commit)
        if folder.exists():
            self.discard(folder)
        self.partial(id, commit).replace(folder)
        return folder

    def discard(self, folder: Path) -> None:
        """Deletes a folder; it is gone at once, its bytes a moment later."""
        trash = folder.with_name(f"trash-{os.getpid()}-{folder.name}")
        folder.replace(trash)
        shutil.rmtree(trash, ignore_errors=True)

    def sweep(self, id: str) -> None:
        """Deletes what interrupted downloads of a repository left; for the holder of its lock."""
        for left in (self.home / id).glob("*-*"):
            if left.name.startswith(("partial-", "trash-")):
                shutil.rmtree(left, ignore_errors=True)


def _acquire(lock: FileLock, check: Callable[[], None]) -> None:
    while True:
        check()
        try:
            lock.acquire(timeout=_POLL)
            return
        except Timeout:
            continue


def _unwritable(home: Path, error: OSError) -> BundleError:
    if error.errno == errno.ENOSPC:
        return BundleError(
            f"The disk of the cache {home} is full ({error.strerror}).",
            "Free some space and run the command again; it goes on where it stopped.",
        )
    return BundleError(
        f"The cache {home} cannot be written ({error.strerror or error}).",
        "Make the folder writable; what is in it already can be used all the same.",
    )


def cache_folder() -> Path:
    """Where everything that can be fetched or made again is kept."""
    return user_cache_path("promptopt", appauthor=False)


def damage(folder: Path, entry: Entry, thorough: bool = False) -> dict[str, str]:
    """What is wrong, by file; hashes of large files are compared only if `thorough`."""
    found = {name: _wrong(folder / name, record, thorough) for name, record in entry.files.items()}
    return {name: wrong for name, wrong in found.items() if wrong}


def _wrong(path: Path, record: Record, thorough: bool) -> str:
    try:
        size = path.stat().st_size
        if size != record.size:
            return f"{size:,} bytes instead of {record.size:,}"
        if (thorough or size <= HASHED_AT_LOAD) and sha256(path) != record.sha256:
            return "another content"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read, {error.strerror}"
    return ""
