"""Guesses make an engine faster and change nothing that it writes, whatever they are."""

import random
import struct
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from tiny_models import SIZE, compiled, ids, portable, sources

from promptopt.bundle import DRAFTS, MOST_DRAFTS, Bundle
from promptopt.codec import END
from promptopt.engine._native import kernel_names
from promptopt.engine.compiled import CompiledEngine
from promptopt.engine.protocol import Decoding
from promptopt.errors import BundleError

LIMIT = 24
ANY = -1
RUNNING = threading.Event()
Triple = tuple[int, int, int]


def packed(triples: Iterable[Triple]) -> bytes:
    return b"".join(struct.pack("<3i", *triple) for triple in triples)


def right(engine: CompiledEngine, decoding: Decoding) -> list[Triple]:
    """What follows two pieces in what the engine writes for all sources; of several, what came last."""
    found = {}
    for source in sources():
        before = last = 0
        for piece in ids(list(engine.stream(source, decoding, RUNNING))):
            found[before, last] = piece
            before, last = last, piece
    return [(before, last, piece) for (before, last), piece in found.items()]


def mixed(triples: list[Triple]) -> list[Triple]:
    """Two thirds of these, the others wrong; and some of ANY."""
    rng = random.Random(4)
    some = [(before, last, piece if rng.random() < 0.7 else rng.randrange(SIZE)) for before, last, piece in triples]
    return some + [(ANY, last, piece) for _, last, piece in rng.sample(triples, len(triples) // 2)]


def steps(engine: CompiledEngine, source: list[int], ruled: list[int], limit: int = LIMIT) -> list[list[int]]:
    """The pieces of each step."""
    session = engine._network.start([source], [[]], ruled, limit, 0.0, 1, 0, END, 0)
    return [[piece for _, piece, _ in step] for step in iter(lambda: session.step({}), [])]


@pytest.mark.parametrize("quantization", ["float32", "int8"])
@pytest.mark.parametrize("kernels", kernel_names())
def test_guesses_change_nothing_to_the_bit(tied: Bundle, tmp_path: Path, kernels: str, quantization: Literal["int8", "float32"]) -> None:
    plain = compiled(tied, tmp_path, quantization, kernels=kernels)
    for guesses in (right(plain, Decoding(LIMIT)), mixed(right(plain, Decoding(LIMIT)))):
        engine = compiled(tied, tmp_path, quantization, 2, kernels, packed(guesses))
        for decoding in (Decoding(LIMIT), Decoding(LIMIT, 0.8, seed=3), Decoding(LIMIT, written=4000)):
            expected = [list(plain.stream(source, decoding, RUNNING)) for source in sources()]
            assert [list(engine.stream(source, decoding, RUNNING)) for source in sources()] == expected
            assert engine.batch(sources(), decoding, RUNNING) == plain.batch(sources(), decoding, RUNNING)
            assert engine.batch(sources()[:2], decoding, RUNNING) == plain.batch(sources()[:2], decoding, RUNNING)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_guesses_keep_the_rules(tied: Bundle, tmp_path: Path, temperature: float) -> None:
    plain = compiled(tied, tmp_path)
    usual = sorted({piece for _, _, piece in right(plain, Decoding(12))} - {END})
    asked = [[*source[:-1], *usual, END] for source in sources()]
    decoding = Decoding(12, temperature, 3, seed=2, copied=tuple(usual[::3]), paired=True, once=tuple(usual[1::3]))
    expected = [list(plain.stream(source, decoding, RUNNING)) for source in asked]
    guesses = []
    for row in expected:
        before = last = 0
        for piece in ids(row):
            guesses.append((before, last, piece))
            before, last = last, piece
    engine = compiled(tied, tmp_path, drafts=packed(guesses))
    assert [list(engine.stream(source, decoding, RUNNING)) for source in asked] == expected
    assert [ids(list(portable(tied, tmp_path).stream(source, decoding, RUNNING))) for source in asked] == [ids(row) for row in expected]


def test_right_guesses_take_fewer_steps(tied: Bundle, engine: CompiledEngine, tmp_path: Path) -> None:
    source = sources()[0]
    written = ids(list(engine.stream(source, Decoding(5), RUNNING)))
    guesses = [(before, last, piece) for before, last, piece in zip([0, 0, *written], [0, *written], written, strict=False)]
    assert len({guess[:2] for guess in guesses}) == 5
    guessing = compiled(tied, tmp_path, drafts=packed(guesses))
    assert steps(guessing, source, [], 5) == [written]
    assert next(len(step) for step in steps(guessing, source, [], 60)) == 6
    written = ids(list(engine.stream(source, Decoding(LIMIT), RUNNING)))
    assert [len(step) for step in steps(engine, source, [])] == [1] * len(written)


def test_a_piece_that_changes_the_rules_ends_a_step(tied: Bundle, engine: CompiledEngine, tmp_path: Path) -> None:
    source = sources()[0]
    guesses = right(engine, Decoding(LIMIT))
    guessing = compiled(tied, tmp_path, drafts=packed(guesses))
    written = ids(list(engine.stream(source, Decoding(LIMIT), RUNNING)))
    ruled = written[3]
    found = steps(guessing, source, [ruled])
    assert [piece for step in found for piece in step] == written
    assert all(ruled not in step[:-1] for step in found)


@pytest.mark.parametrize("limit", range(1, 9))
def test_guesses_do_not_go_beyond_the_limit(tied: Bundle, engine: CompiledEngine, tmp_path: Path, limit: int) -> None:
    guessing = compiled(tied, tmp_path, drafts=packed(right(engine, Decoding(LIMIT))))
    for source in sources():
        expected = list(engine.stream(source, Decoding(limit), RUNNING))
        assert list(guessing.stream(source, Decoding(limit), RUNNING)) == expected


@pytest.mark.parametrize("after", [1, 2, 5])
def test_a_guessing_stream_stops_within_one_piece(tied: Bundle, engine: CompiledEngine, tmp_path: Path, after: int) -> None:
    guessing = compiled(tied, tmp_path, drafts=packed(right(engine, Decoding(LIMIT))))
    stop, found = threading.Event(), []
    for token in guessing.stream(sources()[0], Decoding(LIMIT), stop):
        found.append(token)
        if len(found) == after:
            stop.set()
    assert len(found) == after


def test_many_positions_are_forgotten_where_guesses_were_wrong(tied: Bundle, engine: CompiledEngine, tmp_path: Path) -> None:
    source, decoding = sources()[1][:-1], Decoding(200, copied=(END,))  # never ends
    expected = list(engine.stream(source, decoding, RUNNING))
    assert len(expected) == 200
    guessing = compiled(tied, tmp_path, drafts=packed((ANY, piece, (7 * piece) % SIZE) for piece in range(SIZE)))
    assert list(guessing.stream(source, decoding, RUNNING)) == expected


@pytest.mark.parametrize("content", [packed([(2**31 - 1, -(2**31), 5), (0, 0, -7), (0, 0, SIZE), (ANY, 0, 2**31 - 1)]), b"\xff" * 1200])
def test_guesses_that_are_no_pieces_do_no_harm(tied: Bundle, engine: CompiledEngine, tmp_path: Path, content: bytes) -> None:
    guessing = compiled(tied, tmp_path, drafts=content)
    assert guessing.batch(sources(), Decoding(LIMIT), RUNNING) == engine.batch(sources(), Decoding(LIMIT), RUNNING)


def test_a_bundle_reads_its_guesses(tied: Bundle, tmp_path: Path) -> None:
    bundle = replace(tied, adapter=tmp_path)
    assert bundle.drafts() == b""
    (tmp_path / DRAFTS).write_bytes(packed([(1, 2, 3)]))
    assert bundle.drafts() == struct.pack("<3i", 1, 2, 3)


@pytest.mark.parametrize("size", [1, 11, 13, 12 * (MOST_DRAFTS + 1)])
def test_guesses_that_cannot_be_are_refused(tied: Bundle, tmp_path: Path, size: int) -> None:
    (tmp_path / DRAFTS).write_bytes(bytes(size))
    with pytest.raises(BundleError, match=r"drafts\.ids is malformed"):
        replace(tied, adapter=tmp_path).drafts()
