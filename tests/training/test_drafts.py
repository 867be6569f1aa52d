"""What mostly follows what in rewrites."""

import struct
from pathlib import Path

from promptopt.bundle import DRAFTS
from promptopt_training.drafts import ANY, drafts, write_drafts


def test_what_follows_a_piece_is_told_whatever_was_before_it() -> None:
    assert drafts([[5, 6, 7], [8, 6, 7]] * 2) == {(ANY, 5): 6, (ANY, 6): 7, (ANY, 8): 6}


def test_what_depends_on_the_piece_before_is_told_for_both() -> None:
    found = drafts([[5, 6, 7], [8, 6, 9]] * 2)
    assert found == {(ANY, 5): 6, (ANY, 8): 6, (5, 6): 7, (8, 6): 9}


def test_an_exception_stands_beside_what_holds_mostly() -> None:
    found = drafts([[5, 6, 7], [5, 6, 7], [8, 6, 9], [8, 6, 9], [5, 6, 7]])
    assert (found[ANY, 6], found[8, 6]) == (7, 9)
    assert (5, 6) not in found


def test_what_is_not_likely_enough_is_not_guessed() -> None:
    assert (ANY, 0) not in drafts([[5], [5], [6], [6]])
    assert drafts([[5], [5], [6]])[ANY, 0] == 5


def test_what_was_seen_once_is_not_kept() -> None:
    assert drafts([[5, 6, 7], [5, 6]]) == {(ANY, 0): 5, (ANY, 5): 6}


def test_they_are_written_as_an_engine_reads_them(tmp_path: Path) -> None:
    assert write_drafts(tmp_path, [[5, 6]] * 2) == 2
    assert list(struct.iter_unpack("<3i", (tmp_path / DRAFTS).read_bytes())) == [(ANY, 0, 5), (ANY, 5, 6)]


def test_no_rewrites_give_no_guesses(tmp_path: Path) -> None:
    assert write_drafts(tmp_path, []) == 0
    assert (tmp_path / DRAFTS).read_bytes() == b""
