"""How a piece is chosen; both engines choose the same."""

import math
import threading
from pathlib import Path

import numpy as np
import pytest
from tiny_models import SIZE, compiled, ids, portable, sources

from promptopt.bundle import Bundle
from promptopt.codec import END
from promptopt.engine.protocol import Decoding, Token
from promptopt.engine.rules import Rules
from promptopt.engine.sampling import Chooser

RUNNING = threading.Event()
FEW = 3
"Likeliest pieces to draw among: of forty of a random network two are often as likely but for rounding, and engines round differently."
LOGITS = np.log(np.array([0.1, 0.5, 0.1, 0.3], np.float32))


def test_the_likeliest_comes_with_its_probability() -> None:
    token = Chooser(Decoding(1)).choose(LOGITS + 7)
    assert (token.id, token.log_prob) == (1, pytest.approx(math.log(0.5), abs=1e-6))


def test_of_equals_the_first_is_chosen() -> None:
    assert Chooser(Decoding(1)).choose(np.zeros(5, np.float32)).id == 0


def test_what_is_withheld_is_not_chosen_and_counts_for_nothing() -> None:
    logits = LOGITS.copy()
    assert Chooser(Decoding(1, copied=(1,))).choose(logits) == Token(3, pytest.approx(math.log(0.6), abs=1e-6))
    assert {Chooser(Decoding(1, 1.0, seed=seed, copied=(0, 1))).choose(logits).id for seed in range(50)} == {2, 3}
    assert (logits == LOGITS).all()


def test_what_can_only_be_copied_is_withheld_unless_it_was_read() -> None:
    assert Rules(Decoding(1, copied=(9, 5, 7)), [3, 7, 4]).withheld == [5, 9]


def test_a_pointer_is_followed_by_its_partner_which_is_not_ahead_of_it() -> None:
    rules = Rules(Decoding(1, copied=(9, 5, 7, 6), paired=True), [3, 9, 7, 6])
    opened = [(rules.took(piece), rules.only) for piece in (3, 7, 6, 6, 6, 2)]
    assert opened == [(False, []), (False, [7, 6]), (False, []), (False, [6]), (False, []), (False, [])]


def test_pointers_that_stand_alone_have_no_partner() -> None:
    rules = Rules(Decoding(1, copied=(9, 7)), [9, 7])
    assert (rules.took(9), rules.only) == (False, [])


def test_what_is_only_read_is_not_chosen_and_counts_for_nothing() -> None:
    assert Chooser(Decoding(1, written=1)).choose(LOGITS) == Token(0, pytest.approx(0.0, abs=1e-6))
    assert Chooser(Decoding(1, written=3)).choose(LOGITS) == Token(1, pytest.approx(math.log(0.5 / 0.7), abs=1e-6))
    assert {Chooser(Decoding(1, 5.0, seed=seed, written=3)).choose(LOGITS).id for seed in range(50)} == {0, 1, 2}


def test_pointers_that_are_only_read_are_neither_opened_nor_withheld() -> None:
    rules = Rules(Decoding(1, copied=(2, 5, 7), paired=True, written=6), [2, 7])
    assert (rules.withheld, rules.took(7), rules.only) == ([5], False, [])
    assert (rules.took(2), rules.only) == (False, [2])


def test_what_is_written_once_is_withheld_from_there_on() -> None:
    chooser = Chooser(Decoding(3, once=(1,)))
    assert [chooser.choose(LOGITS).id for _ in range(3)] == [1, 3, 3]


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_both_engines_keep_the_rules(tied: Bundle, tmp_path: Path, temperature: float) -> None:
    engines = [compiled(tied, tmp_path), portable(tied, tmp_path)]
    usual = sorted({index for source in sources() for index in ids(list(engines[0].stream(source, Decoding(12), RUNNING)))} - {END})
    asked = [[*source[:-1], *usual, END] for source in sources()]
    decoding = Decoding(12, temperature, FEW, seed=2, copied=tuple(usual[::2]), paired=True, once=tuple(usual[1::2]))
    written = [[ids(list(engine.stream(source, decoding, RUNNING))) for source in asked] for engine in engines]
    assert written[0] == written[1]
    assert any({*decoding.copied} & {*row} for row in written[0])
    assert any({*decoding.once} & {*row} for row in written[0])
    for row in written[0]:
        assert all(row.count(piece) <= 1 for piece in decoding.once)
        opened: int | None = None
        for piece in row:
            assert opened is None or (piece in decoding.copied and piece >= opened)
            opened = piece if opened is None and piece in decoding.copied else None
    if not temperature:
        assert [ids(tokens) for tokens in engines[0].batch(asked, decoding, RUNNING)] == written[0]


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_both_engines_write_nothing_they_could_only_copy(tied: Bundle, tmp_path: Path, temperature: float) -> None:
    engines = [compiled(tied, tmp_path), portable(tied, tmp_path)]
    asked = sources()
    free = [ids(list(engines[0].stream(source, Decoding(12, temperature, FEW, seed=3), RUNNING))) for source in asked]
    unread = [sorted({*written} - {*source} - {END}) for written, source in zip(free, asked, strict=True)]
    assert all(unread)
    copied = tuple({index for row in unread for index in row})
    decoding = Decoding(12, temperature, FEW, seed=2, copied=copied)
    for source, never in zip(asked, unread, strict=True):
        held = [ids(list(engine.stream(source, decoding, RUNNING))) for engine in engines]
        assert held[0] == held[1]
        assert not {*held[0]} & {*never}
    together = engines[0].batch(asked, decoding, RUNNING)
    if not temperature:
        assert [ids(tokens) for tokens in together] == [ids(list(engines[1].stream(source, decoding, RUNNING))) for source in asked]


@pytest.mark.parametrize(
    ("temperature", "expected"), [(1.0, [0.1, 0.5, 0.1, 0.3]), (0.5, [0.01 / 0.36, 0.25 / 0.36, 0.01 / 0.36, 0.09 / 0.36])]
)
def test_pieces_are_drawn_as_often_as_they_are_likely(temperature: float, expected: list[float]) -> None:
    chooser = Chooser(Decoding(1, temperature, seed=1))
    found = np.bincount([chooser.choose(LOGITS).id for _ in range(4000)], minlength=4) / 4000
    assert found.tolist() == pytest.approx(expected, abs=0.03)


def test_only_the_likeliest_are_drawn() -> None:
    chooser = Chooser(Decoding(1, 5.0, top_k=2, seed=1))
    assert {chooser.choose(LOGITS).id for _ in range(200)} == {1, 3}


def test_both_engines_draw_the_same(tied: Bundle, tmp_path: Path) -> None:
    engines = [compiled(tied, tmp_path), portable(tied, tmp_path)]
    for seed in (1, 2, 2**63, 2**64 - 1):
        for source in sources():
            drawn = [ids(list(engine.stream(source, Decoding(12, 0.7, FEW, seed=seed), RUNNING))) for engine in engines]
            assert drawn[0] == drawn[1]


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize("written", [65, 4096, SIZE, 10**9])
def test_both_engines_choose_among_the_pieces_that_are_written(tied: Bundle, tmp_path: Path, temperature: float, written: int) -> None:
    """65 is one more than a panel of the kernels has."""
    engines = [compiled(tied, tmp_path), portable(tied, tmp_path)]
    for source in sources():
        whole = list(engines[0].stream(source, Decoding(6, temperature, FEW, seed=4), RUNNING))
        kept, numpy = (list(engine.stream(source, Decoding(6, temperature, FEW, seed=4, written=written), RUNNING)) for engine in engines)
        assert ids(kept) == ids(numpy)
        assert [token.log_prob for token in kept] == pytest.approx([token.log_prob for token in numpy], abs=1e-3)
        assert all(token.id < written for token in kept)
        assert (kept == whole) == (written >= SIZE)
    limited = Decoding(6, temperature, FEW, seed=4, written=written)
    assert engines[0].batch(sources(), limited, RUNNING) == [list(engines[0].stream(source, limited, RUNNING)) for source in sources()]
