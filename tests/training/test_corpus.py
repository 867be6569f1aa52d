"""Pairs as ids: nothing lost on the way, what is too long named, masked text restored by its target."""

import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from fakes import mini_codec, vocabulary
from hypothesis import given
from hypothesis import strategies as st

from promptopt.codec import END, Codec
from promptopt_training import corpus
from promptopt_training.corpus import READ_LIMIT, WRITE_LIMIT, Examples, encode_pairs, encode_pretraining, masked
from promptopt_training.data import golden_pairs
from promptopt_training.golden.layouts import LAYOUTS
from promptopt_training.records import Pair
from promptopt_training.vocabulary import DENOISE, MASKS, REWRITE, style_piece

IDS = st.lists(st.integers(0, 30_000), max_size=9)


@cache
def codec() -> Codec:
    return mini_codec()


@cache
def pairs() -> tuple[Pair, ...]:
    return tuple(golden_pairs(30, seed=0))


def rows(examples: Examples) -> list[tuple[list[int], list[int]]]:
    return [(examples[number]["input_ids"], examples[number]["labels"]) for number in range(len(examples))]


@given(st.lists(st.tuples(IDS, IDS), max_size=6))
def test_packed_examples_are_the_ones_given(encoded: list[tuple[list[int], list[int]]]) -> None:
    examples = Examples.of(encoded)
    assert len(examples) == len(encoded)
    assert rows(examples) == encoded


def test_examples_come_back_from_the_disk_with_their_types(tmp_path: Path) -> None:
    encoded = [([3, 1], [4, 5, 1]), ([], [1]), ([7], [])]
    Examples.of(encoded).save(tmp_path / "examples.npz")
    loaded = Examples.load(tmp_path / "examples.npz")
    assert rows(loaded) == encoded
    assert [array.dtype for array in (loaded.source, loaded.source_starts, loaded.target, loaded.target_starts)] == [
        np.int32, np.int64, np.int32, np.int64,
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["examples.npz"]


def test_a_pair_is_what_the_network_reads_and_what_it_should_write() -> None:
    encoded = rows(encode_pairs(pairs(), codec()))
    assert len(encoded) == 30
    for pair, (source, target) in zip(pairs(), encoded, strict=True):
        assert source == codec().encode_prompt(pair.prompt, READ_LIMIT)
        assert source[0] == codec().vocabulary.id(REWRITE)
        assert (source[-1], target[-1]) == (END, END)
        assert codec().decode(pair.prompt, target) == pair.rewrite
        assert target.count(codec().prompt) == 1


def test_a_prompt_is_read_up_to_the_limit_and_written_whole() -> None:
    prompt = "word " * 400 + "end"
    [(source, target)] = rows(encode_pairs([Pair(prompt, f"Task: {prompt}")], codec(), read_limit=50))
    assert (len(source), source[-1]) == (50, END)
    assert codec().decode(prompt, target) == f"Task: {prompt}"


def test_a_rewrite_that_is_too_long_is_named_with_its_length() -> None:
    long = Pair("fix it", "Task: fix it" + "\nqzx 7" * 200)
    with pytest.raises(ValueError, match=rf"^pair 2: its rewrite takes \d+ pieces, {WRITE_LIMIT} are allowed: 'fix it'$"):
        encode_pairs([pairs()[0], long], codec())


def test_a_rewrite_of_exactly_the_limit_is_allowed() -> None:
    pair = pairs()[0]
    pieces = len(codec().encode_rewrite(pair.prompt, pair.rewrite))
    assert len(encode_pairs([pair], codec(), write_limit=pieces)) == 1
    with pytest.raises(ValueError, match=f"takes {pieces} pieces, {pieces - 1} are allowed"):
        encode_pairs([pair], codec(), write_limit=pieces - 1)


def test_a_pair_that_does_not_survive_the_codec_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lossy = mini_codec()
    monkeypatch.setattr(lossy, "decode", lambda prompt, ids: prompt)
    with pytest.raises(ValueError, match=r"^pair 1 does not survive the codec: 'fix it'$"):
        encode_pairs([Pair("fix it", "Task: fix it")], lossy)


def restored(source: list[int], target: list[int]) -> list[int]:
    """The source with each mask replaced by what the target says of it."""
    known = vocabulary()
    masks = {known.id(f"<mask:{number}>") for number in range(MASKS)}
    spans: dict[int, list[int]] = {}
    for index in target[:-1]:
        if index in masks:
            assert index not in spans
            current = spans.setdefault(index, [])
        else:
            current.append(index)
    return [piece for index in source[1:-1] for piece in (spans[index] if index in masks else [index])]


@given(st.text(), st.integers(0, 10_000))
def test_masked_spans_restore_the_text(text: str, seed: int) -> None:
    known = vocabulary()
    source, target = masked(known, text, random.Random(seed))
    assert (source[0], source[-1], target[-1]) == (known.id(DENOISE), END, END)
    assert restored(source, target) == known.encode(text)


def test_about_fifteen_percent_of_the_pieces_are_masked_in_spans_of_three() -> None:
    known, text = vocabulary(), pairs()[0].rewrite
    pieces = len(known.encode(text))
    source, target = masked(known, text, random.Random(0))
    spans = sum(known.piece(index).startswith("<mask:") for index in target)
    assert spans == round(pieces * 0.15 / 3)
    assert pieces - (len(source) - 2 - spans) == len(target) - 1 - spans
    assert 0.10 < (len(target) - 1 - spans) / pieces < 0.20


def test_no_more_spans_are_masked_than_there_are_masks() -> None:
    known = vocabulary()
    _, target = masked(known, "qzx 7 " * 800, random.Random(0))
    assert [known.piece(index) for index in target if known.piece(index).startswith("<mask:")] == [f"<mask:{n}>" for n in range(MASKS)]


def test_pretraining_asks_for_a_style_by_its_piece_or_leaves_it_open() -> None:
    known = vocabulary()
    chosen = [pair for style in LAYOUTS for pair in golden_pairs(25, seed=1, style=style)]
    first = [known.piece(source[0]) for source, _ in rows(encode_pretraining(chosen, known, 0, lambda done: None))]
    assert set(first) == {REWRITE, DENOISE, *map(style_piece, LAYOUTS)}
    assert 0.25 < first.count(REWRITE) / len(chosen) < 0.45
    assert 0.05 < first.count(DENOISE) / len(chosen) < 0.16
    assert len(first) == len(chosen) + first.count(DENOISE)


def test_pretraining_examples_follow_from_the_seed() -> None:
    known = vocabulary()
    first = rows(encode_pretraining(pairs(), known, 4, lambda done: None))
    assert rows(encode_pretraining(pairs(), known, 4, lambda done: None)) == first
    assert rows(encode_pretraining(pairs(), known, 5, lambda done: None)) != first


def test_pretraining_leaves_out_what_is_too_long_to_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "DENOISE_SHARE", 0.0)
    long = Pair("fix it", "Task: fix it" + "\nqzx 7" * 200, "golden")
    examples = encode_pretraining([pairs()[0], long, pairs()[1]], vocabulary(), 0, lambda done: None)
    assert [codec().decode(pair.prompt, target) for pair, (_, target) in zip(pairs(), rows(examples), strict=False)] == [
        pairs()[0].rewrite, pairs()[1].rewrite,
    ]  # fmt: skip
    assert len(examples) == 2


def test_every_thousand_pairs_are_reported() -> None:
    done: list[int] = []
    encode_pretraining([Pair("fix it", "Task: fix it", "golden")] * 2001, vocabulary(), 0, done.append)
    assert done == [1000, 2000]
