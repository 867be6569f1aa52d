"""Files: text that a user names, JSON, and what tells one file from another."""

import hashlib
import json
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


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
