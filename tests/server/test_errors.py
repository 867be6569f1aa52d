"""Failures say what happened and what to do next, and have stable codes."""

from pathlib import Path

import pytest

from promptopt.errors import (
    BundleError,
    Busy,
    Cancelled,
    HubError,
    InvalidInput,
    PromptoptError,
    Refused,
    RewriteFailed,
    TooLarge,
    Unavailable,
)
from promptopt.files import read_text


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        (PromptoptError, "error", 1),
        (InvalidInput, "invalid_input", 2),
        (BundleError, "bundle", 3),
        (HubError, "hub", 3),
        (RewriteFailed, "rewrite_failed", 4),
        (Cancelled, "cancelled", 130),
        (Busy, "busy", 1),
        (Unavailable, "unavailable", 1),
        (Refused, "refused", 1),
        (TooLarge, "too_large", 2),
    ],
)
def test_each_kind_has_its_code_and_exit_status(kind: type[PromptoptError], code: str, status: int) -> None:
    assert (kind("x").code, kind("x").exit_status) == (code, status)


def test_the_message_is_followed_by_the_hint() -> None:
    assert str(InvalidInput("It broke.", "Mend it.")) == "It broke. Mend it."
    assert str(InvalidInput("It broke.")) == "It broke."


def test_a_file_is_read_as_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("é\n".encode())
    assert read_text(tmp_path / "a.txt") == "é\n"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_text(tmp_path / "a.txt")
    assert str(caught.value) == f"{tmp_path / 'a.txt'} cannot be read (No such file or directory). Check the path."


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_text(tmp_path)


def test_the_byte_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc\xff")
    with pytest.raises(InvalidInput) as caught:
        read_text(tmp_path / "a.txt")
    assert str(caught.value) == f"{tmp_path / 'a.txt'} is not UTF-8 (byte 3). Save it as UTF-8."
