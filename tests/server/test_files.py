"""Files that a user names come in as they are."""

import sys
from pathlib import Path

import pytest

from promptopt.errors import InvalidInput
from promptopt.files import folder_size, read_text


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


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_what_is_removed_while_a_folder_is_measured_counts_nothing(tmp_path: Path) -> None:
    """A link to nothing is listed and not there, as a file is that another process has removed since."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / "one").write_bytes(bytes(5))
    (tmp_path / "two").write_bytes(bytes(7))
    (below / "gone").symlink_to(tmp_path / "nowhere")
    assert folder_size(tmp_path) == 12
    assert folder_size(tmp_path / "nowhere") == 0
