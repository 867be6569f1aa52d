"""An encoder learns to read alike what means alike; the lessons hold every usable prompt once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import T5Config, T5ForConditionalGeneration

from promptopt_training.meaning import LONGEST, Lessons, Reader, Vectors, collated, learn_meaning, mean_state, vectors_of


def model(seed: int = 0) -> T5ForConditionalGeneration:
    torch.manual_seed(seed)
    return T5ForConditionalGeneration(
        T5Config(vocab_size=40, d_model=32, d_kv=16, num_heads=2, d_ff=64, num_layers=1, num_decoder_layers=1, dropout_rate=0.0)
    )


def two_subjects() -> tuple[list[list[int]], Vectors]:
    """Prompts of pieces 5 to 9 mean one thing, those of pieces 15 to 19 another."""
    rng = np.random.default_rng(0)
    sources = [[base + int(rng.integers(5)) for _ in range(4)] for base in (5, 15) for _ in range(20)]
    return sources, np.repeat(np.eye(2, 3, dtype=np.float32), 20, axis=0)


def read(reader: Reader, source: Sequence[int]) -> torch.Tensor:
    ids = torch.tensor([list(source)])
    with torch.no_grad():
        state = mean_state(reader.encoder(input_ids=ids).last_hidden_state, torch.ones_like(ids))
    return torch.nn.functional.normalize(state[0], dim=-1)


def test_after_the_lessons_prompts_of_one_subject_are_read_alike_and_of_two_apart(tmp_path: Path) -> None:
    sources, vectors = two_subjects()
    network = model()
    learn_meaning(network, Lessons(sources, vectors, 64, 0), tmp_path, steps=40, learning_rate=3e-3, weight_decay=0.0, seed=0)
    reader = Reader(network, 3)
    same = float(read(reader, [5, 6, 7, 8]) @ read(reader, [9, 8, 6, 5]))
    other = float(read(reader, [5, 6, 7, 8]) @ read(reader, [15, 16, 17, 18]))
    assert same > 0.75
    assert other < same - 0.4
    assert (tmp_path / "metrics.jsonl").is_file()


def test_lessons_that_were_interrupted_go_on_to_the_same_weights(tmp_path: Path) -> None:
    sources, vectors = two_subjects()

    def taught(folder: Path, *steps: int) -> dict[str, torch.Tensor]:
        for until in steps:
            network = model()
            learn_meaning(network, Lessons(sources, vectors, 64, 0), folder, until, 1e-3, 0.0, seed=0)
        return network.encoder.state_dict()

    whole = taught(tmp_path / "whole", 6)
    again = taught(tmp_path / "whole", 6)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


@given(st.lists(st.integers(1, LONGEST + 20), max_size=40), st.integers(LONGEST, 900))
def test_every_usable_prompt_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    sources = [[number + 5] * length for number, length in enumerate(lengths)]
    lessons = Lessons(sources, np.zeros((len(sources), 2), dtype=np.float32), budget, 0)
    batches = [lessons[index] for index in range(len(lessons))]
    usable = [number for number, size in enumerate(lengths) if 2 <= size <= LONGEST]
    assert sorted(source[0] - 5 for batch in batches for source, _ in batch) == usable
    assert all(len(batch) * max(len(source) for source, _ in batch) <= budget for batch in batches)


def test_prompts_are_padded_and_keep_their_vectors() -> None:
    batch = collated([[([5, 6, 7], [1.0, 0.0]), ([8, 9], [0.0, 1.0])]])
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["vectors"].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_padding_does_not_count_in_the_mean() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]])
    assert mean_state(states, torch.tensor([[1, 1, 0]])).tolist() == [[2.0, 3.0]]


def test_vectors_are_made_once_and_anew_for_other_prompts(tmp_path: Path) -> None:
    asked: list[int] = []

    def embed(texts: Sequence[str]) -> Vectors:
        asked.append(len(texts))
        return np.ones((len(texts), 2), dtype=np.float32)

    for prompts in (["a", "b"], ["a", "b"], ["a"]):
        assert vectors_of(prompts, embed, tmp_path / "kept.npy").shape == (len(prompts), 2)
    assert asked == [2, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["kept.npy"]


def test_the_loss_is_lowest_where_every_prompt_is_read_as_its_vector() -> None:
    reader = Reader(model(), 32)
    ids = torch.tensor([[5, 6], [15, 16]])
    mask = torch.ones_like(ids)
    states = mean_state(reader.encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
    vectors = torch.nn.functional.normalize(reader.map(states), dim=-1).detach()
    right = reader(ids, mask, vectors)["loss"].item()
    swapped = reader(ids, mask, vectors.flip(0))["loss"].item()
    assert right <= swapped + 1e-6
    assert reader(ids, mask, -vectors)["loss"].item() > right + 1
