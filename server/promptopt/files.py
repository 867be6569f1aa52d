"""Files: text that a user names, JSON, and what tells one file from another."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from promptopt.errors import InvalidInput


def read_text(path: Path) -> str:
    """The content of a UTF-8 file, line ends as they are, a byte order mark left out. Raises InvalidInput when it cannot be had."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}).", "Check the path.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from error


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says. Raises ValueError when it is none, or one that Python cannot hold: nested too deeply, too long a number."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write into; it takes its place at the end of the block, so that there is never half of it.

    No system replaces a folder that holds something in one step: who is killed between the two leaves the old one aside, and the next
    block puts it back first.
    """
    partial, old = (folder.with_name(folder.name + suffix) for suffix in (".partial", ".old"))
    if old.exists() and not folder.exists():
        old.rename(folder)
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_size(folder: Path) -> int:
    """The bytes of all files below a folder; what another process removes meanwhile counts nothing, and so does a folder that is none."""
    size = 0
    for below, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size += os.stat(os.path.join(below, name)).st_size
    return size
