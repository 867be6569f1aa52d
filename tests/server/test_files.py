"""Files that a user names come in as they are."""

from pathlib import Path

import pytest

from promptopt.errors import InvalidInput
from promptopt.files import read_text


@pytest.mark.parametrize("content", ["a\r\nb\rc\n", "", "\ufeff\ufeffx"])
def test_line_ends_are_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes(content.encode())
    assert read_text(path) == content.removeprefix("\ufeff")


def test_what_is_not_utf_8_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes(b"ab\xff")
    with pytest.raises(InvalidInput) as caught:
        read_text(path)
    assert str(caught.value) == f"{path} is not UTF-8 (byte 2). Save it as UTF-8."


@pytest.mark.parametrize("name", [".", "missing.txt"])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_text(tmp_path / name)
