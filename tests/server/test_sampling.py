"""How a piece is chosen; both engines choose the same."""

import math
import threading
from pathlib import Path

import numpy as np
import pytest
from tiny_models import compiled, ids, portable, sources

from promptopt.bundle import Bundle
from promptopt.engine.protocol import Decoding
from promptopt.engine.sampling import Chooser

RUNNING = threading.Event()
LOGITS = np.log(np.array([0.1, 0.5, 0.1, 0.3], np.float32))


def test_the_likeliest_comes_with_its_probability() -> None:
    token = Chooser(Decoding(1)).choose(LOGITS + 7)
    assert (token.id, token.log_prob) == (1, pytest.approx(math.log(0.5), abs=1e-6))


def test_of_equals_the_first_is_chosen() -> None:
    assert Chooser(Decoding(1)).choose(np.zeros(5, np.float32)).id == 0


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
        for source in sources(tied):
            drawn = [ids(list(engine.stream(source, Decoding(12, 0.7, seed=seed), RUNNING))) for engine in engines]
            assert drawn[0] == drawn[1]
