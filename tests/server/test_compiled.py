"""The CPU engine does what the protocol says."""

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import SIZE, compiled, greedy, ids, model_file, reference, sources, tiny_adapter, tiny_base

from promptopt.bundle import WEIGHTS, Bundle, open_bundle
from promptopt.codec import END
from promptopt.engine._native import kernel_names
from promptopt.engine.compiled import CompiledEngine, default_threads
from promptopt.engine.protocol import Decoding
from promptopt.errors import BundleError

LIMIT = 24
RUNNING = threading.Event()


def drawn(engine: CompiledEngine, source: list[int], seed: int, temperature: float = 0.8, top_k: int = 40) -> list[int]:
    return ids(list(engine.stream(source, Decoding(8, temperature, top_k, seed), RUNNING)))


def test_a_batch_writes_what_its_rows_write_alone_in_order(tied: Bundle, engine: CompiledEngine) -> None:
    asked = sources()
    alone = [list(engine.stream(source, Decoding(LIMIT), RUNNING)) for source in asked]
    together = engine.batch(asked, Decoding(LIMIT), RUNNING)
    assert [ids(tokens) for tokens in together] == [ids(tokens) for tokens in alone]
    for one, other in zip(together, alone, strict=True):
        assert [token.log_prob for token in one] == pytest.approx([token.log_prob for token in other], abs=1e-4)


def test_the_end_may_come_first(tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "base", ends=60.0)
    bundle = open_bundle("tiny", tiny_adapter(tmp_path / "adapter", base), base)
    engine = compiled(bundle, tmp_path / "compiled")
    expected = [greedy(reference(base, bundle.adapter), source, LIMIT) for source in sources()]
    assert 1 in [len(tokens) for tokens in expected]
    assert [ids(tokens) for tokens in engine.batch(sources(), Decoding(LIMIT), RUNNING)] == [
        [index for index, _ in tokens] for tokens in expected
    ]


def test_a_long_prompt_is_read_whole(tied: Bundle, engine: CompiledEngine) -> None:
    source = tied.codec().encode_prompt("one two three four five " * 400, 1500)
    assert len(source) == 1500
    expected = greedy(reference(tied.base, tied.adapter), source, 6)
    assert ids(list(engine.stream(source, Decoding(6), RUNNING))) == [index for index, _ in expected]
    assert ids(engine.batch([source], Decoding(6), RUNNING)[0]) == [index for index, _ in expected]


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_is_written_than_the_limit(tied: Bundle, engine: CompiledEngine, limit: int) -> None:
    [source, *_] = sources()
    assert len(list(engine.stream(source, Decoding(limit), RUNNING))) == limit
    assert [len(tokens) for tokens in engine.batch([source, source], Decoding(limit), RUNNING)] == [limit, limit]


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_stream_stops_within_one_piece(tied: Bundle, engine: CompiledEngine, after: int) -> None:
    stop, found = threading.Event(), []
    if after == 0:
        stop.set()
    for token in engine.stream(sources()[0], Decoding(LIMIT), stop):
        found.append(token)
        if len(found) == after:
            stop.set()
    assert len(found) == after


def test_a_stopped_batch_is_cut_short(tied: Bundle, engine: CompiledEngine) -> None:
    stop = threading.Event()
    stop.set()
    assert [len(tokens) <= 1 for tokens in engine.batch(sources(), Decoding(LIMIT), stop)] == [True] * len(sources())


def test_after_a_stop_the_next_stream_is_whole(tied: Bundle, engine: CompiledEngine) -> None:
    source = sources()[0]
    whole = list(engine.stream(source, Decoding(LIMIT), RUNNING))
    left = engine.stream(source, Decoding(LIMIT), RUNNING)
    next(left)
    left.close()  # type: ignore[attr-defined]
    assert list(engine.stream(source, Decoding(LIMIT), RUNNING)) == whole


def test_a_seed_draws_the_same_each_time(tied: Bundle, engine: CompiledEngine) -> None:
    source = sources()[0]
    first = [drawn(engine, source, seed) for seed in (1, 2, 3)]
    assert [drawn(engine, source, seed) for seed in (1, 2, 3)] == first
    assert len({tuple(tokens) for tokens in first}) == 3
    batches = [[ids(tokens) for tokens in engine.batch([source, source], Decoding(8, 0.8, seed=1), RUNNING)] for _ in range(2)]
    assert batches == [[first[0], first[0]]] * 2


def test_a_draw_among_one_is_the_likeliest(tied: Bundle, engine: CompiledEngine) -> None:
    source = sources()[0]
    assert drawn(engine, source, 7, top_k=1) == ids(list(engine.stream(source, Decoding(8), RUNNING)))


def test_a_draw_does_not_change_the_likeliest(tied: Bundle, engine: CompiledEngine) -> None:
    source = sources()[0]
    before = list(engine.stream(source, Decoding(8), RUNNING))
    drawn(engine, source, 3)
    assert list(engine.stream(source, Decoding(8), RUNNING)) == before


def test_what_is_drawn_has_the_probability_that_the_network_gave_it(tied: Bundle, engine: CompiledEngine) -> None:
    source = sources()[0]
    found = list(engine.stream(source, Decoding(6, 0.5, seed=4), RUNNING))
    with torch.no_grad():
        start = torch.tensor([[0, *ids(found)[:-1]]])
        logits = reference(tied.base, tied.adapter)(input_ids=torch.tensor([source]), decoder_input_ids=start).logits[0]
    expected = [float(row.log_softmax(-1)[token.id]) for row, token in zip(logits, found, strict=True)]
    assert [token.log_prob for token in found] == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_threads_do_not_change_what_is_written(tied: Bundle, engine: CompiledEngine, tmp_path: Path, threads: int) -> None:
    several = compiled(tied, tmp_path, threads=threads)
    asked = sources() * 2
    assert several.batch(asked, Decoding(LIMIT), RUNNING) == engine.batch(asked, Decoding(LIMIT), RUNNING)


def test_two_streams_at_once_do_not_mix(tied: Bundle, engine: CompiledEngine) -> None:
    one, other = sources()[:2]
    alone = [list(engine.stream(source, Decoding(LIMIT), RUNNING)) for source in (one, other)]
    pairs = itertools.zip_longest(engine.stream(one, Decoding(LIMIT), RUNNING), engine.stream(other, Decoding(LIMIT), RUNNING))
    found = list(zip(*pairs, strict=True))
    assert [[token for token in tokens if token] for tokens in found] == alone


def test_sessions_of_several_threads_take_turns(tied: Bundle, tmp_path: Path) -> None:
    engine = compiled(tied, tmp_path, threads=2)
    expected = [list(engine.stream(source, Decoding(LIMIT), RUNNING)) for source in sources()]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda source: list(engine.stream(source, Decoding(LIMIT), RUNNING)), sources() * 3))
    assert found == expected * 3


@pytest.mark.parametrize("source", [[], [-1], [SIZE], [1, 2**40]])
def test_a_source_that_is_none_is_refused(engine: CompiledEngine, source: list[int]) -> None:
    with pytest.raises(ValueError, match="a source"):
        list(engine.stream(source, Decoding(3), RUNNING))


@pytest.mark.parametrize(("size", "threads"), [(10_000_000, 2), (59_999_999, 2), (250_000_000, 4)])
def test_a_small_network_runs_on_two_threads_at_most(size: int, threads: int) -> None:
    assert default_threads(size) == min(threads, os.cpu_count() or 1)


@pytest.mark.parametrize(("asked", "shown"), [(0, f"threads {min(2, os.cpu_count() or 1)}"), (3, "threads 3")])
def test_the_threads_are_those_asked_for(tied: Bundle, tmp_path: Path, asked: int, shown: str) -> None:
    assert compiled(tied, tmp_path, threads=asked).name.split(", ") == ["promptopt native", "float32", kernel_names()[0], shown]


def test_a_base_in_half_precision_is_kept_in_it_but_for_what_the_adapter_changes(tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "base")
    save_file({name: tensor.half() for name, tensor in load_file(base / WEIGHTS).items()}, base / WEIGHTS, {"format": "pt"})
    bundle = open_bundle("tiny", tiny_adapter(tmp_path / "adapter", base), base)
    tensors = model_file(bundle, tmp_path / "model", "float32").tensors
    kinds = {name: tensor.kind for name, tensor in tensors.items() if tensor.kind != "table"}
    assert {name for name, kind in kinds.items() if kind == "float32"} == {name for name in kinds if name.endswith((".qkv", ".q", ".kv"))}
    network = reference(base, bundle.adapter).float()
    engine = compiled(bundle, tmp_path / "model")
    for source in sources():
        written = list(engine.stream(source, Decoding(LIMIT), RUNNING))
        expected = greedy(network, source, LIMIT)
        assert ids(written) == [piece for piece, _ in expected]
        assert [token.log_prob for token in written] == pytest.approx([log_prob for _, log_prob in expected], abs=1e-4)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_nothing_of_what_is_written(tied: Bundle, tmp_path: Path, threads: int) -> None:
    asked = sources() * 4
    alone, shared = (compiled(tied, tmp_path / "model", threads=number).batch(asked, Decoding(LIMIT), RUNNING) for number in (1, threads))
    assert shared == alone


def test_a_network_that_does_not_fit_its_shape_is_refused(tied: Bundle, tmp_path: Path) -> None:
    model = model_file(tied, tmp_path, "int8")
    model.shape = replace(model.shape, d_ff=64)
    with pytest.raises(BundleError, match=r"cannot be loaded: encoder\.0\.in is of another shape than the network"):
        CompiledEngine(model)


@pytest.mark.parametrize("name", ["embedding", "decoder.1.cross.kv"])
def test_a_network_that_lacks_a_tensor_is_refused(tied: Bundle, tmp_path: Path, name: str) -> None:
    model = model_file(tied, tmp_path, "int8")
    del model.tensors[name]
    with pytest.raises(BundleError, match=f"cannot be loaded: {name} is missing"):
        CompiledEngine(model)


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ({0: [10**6]}, "asked for that may not be chosen"),
        ({0: [-1]}, "asked for"),
        ({0: 3}, "rows should be numbers with lists of ids"),
    ],
)
def test_pieces_that_are_none_are_refused_and_the_rewrite_goes_on(
    tied: Bundle, engine: CompiledEngine, only: dict[int, list[int]], message: str
) -> None:
    source = sources()[0]
    session = engine._network.start([source], [[]], [], LIMIT, 0.0, 1, 0, END, 0)
    with pytest.raises(ValueError, match=message):
        session.step(only)
    with pytest.raises(ValueError, match="withheld that is never chosen anyway"):
        session.withhold(0, 10**6)
    expected = ids(list(engine.stream(source, Decoding(LIMIT), RUNNING)))
    assert [index for step in iter(lambda: session.step({}), []) for _, index, _ in step] == expected


def test_a_piece_that_is_withheld_later_is_not_written_again(tied: Bundle, engine: CompiledEngine) -> None:
    source = sources()[0]
    session = engine._network.start([source], [[]], [], LIMIT, 0.0, 1, 0, END, 0)
    [(_, first, _)] = session.step({})
    session.withhold(0, first)
    assert first not in [index for step in iter(lambda: session.step({}), []) for _, index, _ in step]
